"""What one call costs, from formulas: FLOPs, bytes of parameters, bytes alive at the peak besides those. No torch.

A real multiply-add counts 2, a complex one 8, an elementary function 10. A training step costs three forward passes:
itself, and as much for each of the two products of every backward; with checkpoints the mixer runs once more. The
solver's figures are those of a solve to 1e-6 at dt 0.1; iterations that a run really takes are read by its probes.

Rows by mode: B S tokens, but a prefill answers for the last position alone, and decoding reads one token a row.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from sem_impl.sizes import BLOCK, EMBEDDED, TAPS, TRAINING, Dimensions

NONZEROS = 7
SCALES = 3
ITERATIONS = {"cg": 50, "cocg": 7, "cgnr": 5, "chebyshev": 6, "direct": 0}
PRODUCTS = {"cg": 1, "cocg": 1, "cgnr": 2, "chebyshev": 1, "direct": 0}
ELEMENTARY = 10
UPDATE = 21
"""FLOPs of AdamW, a parameter: m <- m + 0.1 (g - m) 3, v <- 0.95 v + 0.05 g g 4, sqrt v 10, p <- p - r m/(sqrt v + e)
4. The bias corrections go into r and e; the decay, of matrices alone, is not counted."""
PASSES = 3
"""Of a training step, as forward passes."""
MOMENTS = 2
CHECKPOINTED = 2
"""Layers from one checkpoint to the next."""
CHUNK = 1 << 22
"""Products with the vocabulary in a block of the loss `chunked`."""
SHARE = 10
"""Of all logits, what its products take at a time where they find no room in the gradient of W."""
COLUMNS = 4096
"""The most of them that meet a word at a time."""
NORM = {"layer_norm": 4, "complex_rms": 1}
"""Parameters by level, each times D."""


class Rows(NamedTuple):
    """Tokens of one call."""

    mixed: int
    answered: int


def rows_of(d: Dimensions, mode: str) -> Rows:
    whole = d.batch_size * d.seq_len
    if mode == "decode":
        return Rows(d.batch_size, d.batch_size)
    return Rows(whole, d.batch_size if mode == "prefill" else whole)


def refuse_undefined(variant: Mapping[str, str], mode: str) -> None:
    """ValueError where a mode has no meaning for a variant."""
    if mode == "decode" and variant["transport"] == "sequence":
        raise ValueError(
            "transport sequence has no decode: a token's place depends on all that follow; "
            "transport causal, or mode prefill, would do"
        )


def itemsize(conditions: Mapping[str, Any]) -> int:
    return 8 if conditions.get("dtype") == "float64" else 4


def propagator_parameters(width: int, layers: int) -> int:
    """kappa [P], eta [3, P], alpha [3] per layer."""
    return layers * ((1 + SCALES) * width + SCALES)


def propagator_flops(variant: Mapping[str, str], rows: int, width: int, layers: int, mode: str) -> float:
    kerr = (3 * ELEMENTARY + 20) * rows * width
    if variant["method"] == "direct":
        built = 8 * (width**3 + 2 / 3 * width**3) if mode in TRAINING else 0  # without gradients once per model
        return layers * (kerr + built + 8 * rows * width**2)
    method = variant["method"]
    product = 4 * NONZEROS * rows * width
    solve = product + ITERATIONS[method] * (PRODUCTS[method] * product + 48 * rows * width)
    return layers * (kerr + solve)


def propagator_bytes(variant: Mapping[str, str], rows: int, width: int, item: int) -> float:
    """q, b, x, r, p, Ap and temporaries of the loop; `direct` holds the matrix, its factors and the right-hand side.
    One native operator has psi, psi' and in the adjoint their gradients."""
    if (variant["kernels"], variant["matrix"]) == ("fused", "stencil") and variant["method"] in ("chebyshev", "cocg"):
        return 4 * 2 * item * rows * width
    dense = 4 * 2 * item * width**2 if variant["method"] == "direct" else 0
    return 12 * 2 * item * rows * width + dense


def residual_parameters(level: str, width: int) -> int:
    return {"inverse_sqrt_depth": 1, "learned_horizon": width}.get(level, 0)


def mixer_parameters(variant: Mapping[str, str], d: Dimensions) -> int:
    blocks = d.width // BLOCK
    gate = 2 * blocks * BLOCK**2 + blocks * 2 * d.width + blocks + blocks * BLOCK
    state = 2 * d.width**2 + 4 * d.width + 2 * 2 * d.width * d.states
    ends = NORM[variant["norm"]] * d.width + residual_parameters(variant["residual"], d.width)
    return d.layers * (ends + gate + 2 * TAPS * d.width + 1 + state + 2 * d.width**2)


def stage_parameters(variant: Mapping[str, str], d: Dimensions) -> int:
    """Of the propagator with its norm and expansion."""
    expand = NORM[variant["norm"]] * d.width + 2 * d.width * d.propagator_width
    return expand + propagator_parameters(d.propagator_width, d.propagator_layers)


def head_parameters(variant: Mapping[str, str], d: Dimensions) -> int:
    """w, and with it the bias and sigma of `log_linear`."""
    beside = d.vocabulary + 1 if variant["head"] == "log_linear" else 0
    return 2 * d.vocabulary * d.propagator_width + beside


def parameters(variant: Mapping[str, str], d: Dimensions) -> int:
    encoder = d.vocabulary * d.width + EMBEDDED * d.width + d.candidates * EMBEDDED + d.width * d.candidates
    return encoder + mixer_parameters(variant, d) + stage_parameters(variant, d) + head_parameters(variant, d)


def flops(variant: Mapping[str, str], d: Dimensions, mode: str) -> float:
    rows, D, P = rows_of(d, mode), d.width, d.propagator_width
    updates = 50 if variant["transport"] == "sequence" else 1
    encoder = 2 * (EMBEDDED * D + EMBEDDED * d.candidates + d.candidates * D)
    encoder += updates * 2 * ELEMENTARY * d.candidates
    gates = 2 * 2 * D * (D // BLOCK) + 2 * 2 * D * D
    blocks = 2 * 8 * D * (BLOCK + d.states)
    pointwise = (8 * ELEMENTARY + 8 * TAPS + 60) * D
    mixer = rows.mixed * d.layers * (gates + blocks + pointwise + 8 * D * D)
    answer = 8 * P if variant["head"] == "born_quadratic" else 4 * P
    propagator = rows.answered * 8 * D * P + propagator_flops(variant, rows.answered, P, d.propagator_layers, mode)
    forward = rows.mixed * encoder + mixer + propagator + rows.answered * answer * d.vocabulary
    if mode not in TRAINING:
        return float(forward)
    again = mixer if variant["checkpointing"] == "every_k" else 0
    update = UPDATE * parameters(variant, d) if mode == "train_update" else 0
    return float(PASSES * forward + again + update)


def parameter_bytes(variant: Mapping[str, str], d: Dimensions, mode: str, item: int) -> float:
    """With the moments of an optimiser."""
    copies = 1 + (MOMENTS if mode == "train_update" else 0)
    return copies * item * parameters(variant, d)


def kept_arrays(variant: Mapping[str, str]) -> int:
    """Arrays [B, S, D] of complex numbers that a mixer layer keeps for its backward pass, rounded up."""
    native = (variant["kernels"], variant["scan"], variant["layout"]) == ("fused", "fused", "complex64")
    return 8 if native else 24


def products_apart(parts: int, tokens: int, P: int, vocabulary: int) -> int:
    """What the loss `chunked` holds of its products, with so many of them a logit, outside of the gradient of W: none
    where that has room for all, else those of a group of tokens."""
    if parts * tokens <= 2 * P:
        return 0
    together = max(math.ceil(tokens / (SHARE * parts)), CHUNK // (4 * parts * vocabulary), 1)
    return vocabulary * parts * min(together, tokens, max(1, COLUMNS // parts))


def activation_bytes(variant: Mapping[str, str], d: Dimensions, mode: str, item: int) -> float:
    """Stages follow one another, but what one frees the allocator may keep: their peaks add up."""
    rows, D, P = rows_of(d, mode), d.width, d.propagator_width
    complex_D, complex_P = 2 * item * rows.mixed * D, 2 * item * rows.answered * P
    logits = item * rows.answered * d.vocabulary
    solver = propagator_bytes(variant, rows.answered, P, item)
    if mode not in TRAINING:
        return 16 * complex_D + solver + logits
    kept = kept_arrays(variant)
    layers = kept * d.layers
    if variant["checkpointing"] == "every_k":
        layers = kept * min(CHECKPOINTED, d.layers) + math.ceil(d.layers / CHECKPOINTED)
    answering = 3 * logits
    if variant["loss"] == "chunked":
        parts = 2 if variant["head"] == "born_quadratic" else 1
        block = min(CHUNK, rows.answered * parts * d.vocabulary)  # of torch's operators; the native ones need less
        answering = item * (block + products_apart(parts, rows.answered, P, d.vocabulary))
    saved = layers * complex_D + 4 * complex_P * (d.propagator_layers + 1)
    return item * parameters(variant, d) + saved + max(solver, answering)
