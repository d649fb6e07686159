"""What one call costs, from formulas: FLOPs, bytes of parameters, bytes alive at the peak besides those. No torch.

A real multiply-add counts 2, a complex one 8, an elementary function 10. A training step costs three forward passes:
itself, and as much for each of the two products of every backward. The solver's figures are those of a solve to 1e-6
at dt 0.1; iterations that a run really takes are read by its probes.
"""

from collections.abc import Mapping
from typing import Any

from sem_impl.sizes import BLOCK, EMBEDDED, TAPS, Dimensions

NONZEROS = 7
SCALES = 3
ITERATIONS = {"cg": 50, "cocg": 7, "cgnr": 5, "chebyshev": 6, "direct": 0}
PRODUCTS = {"cg": 1, "cocg": 1, "cgnr": 2, "chebyshev": 1, "direct": 0}
ELEMENTARY = 10
MODES = {"forward": 1, "train_step": 3}


def itemsize(conditions: Mapping[str, Any]) -> int:
    return 8 if conditions.get("dtype") == "float64" else 4


def propagator_parameters(width: int, layers: int) -> int:
    """kappa [P], eta [3, P], alpha [3] per layer."""
    return layers * ((1 + SCALES) * width + SCALES)


def propagator_flops(variant: Mapping[str, str], rows: int, width: int, layers: int) -> float:
    kerr = (3 * ELEMENTARY + 20) * rows * width
    if variant["method"] == "direct":
        return layers * (kerr + 8 * (width**3 + 2 / 3 * width**3) + 8 * rows * width**2)
    method = variant["method"]
    product = 4 * NONZEROS * rows * width
    solve = product + ITERATIONS[method] * (PRODUCTS[method] * product + 48 * rows * width)
    return layers * (kerr + solve)


def propagator_bytes(variant: Mapping[str, str], rows: int, width: int, item: int) -> float:
    """q, b, x, r, p, Ap and temporaries of the loop; `direct` holds the matrix, its factors and the right-hand side."""
    dense = 4 * 2 * item * width**2 if variant["method"] == "direct" else 0
    return 12 * 2 * item * rows * width + dense


def mixer_parameters(d: Dimensions) -> int:
    blocks = d.width // BLOCK
    gate = 2 * blocks * BLOCK**2 + blocks * 2 * d.width + blocks + blocks * BLOCK
    state = 2 * d.width**2 + 4 * d.width + 2 * 2 * d.width * d.states
    return d.layers * (d.width + gate + 2 * TAPS * d.width + 1 + state + 2 * d.width**2 + d.width)


def parameters(d: Dimensions) -> int:
    encoder = d.vocabulary * d.width + EMBEDDED * d.width + d.candidates * EMBEDDED + d.width * d.candidates
    expand = d.width + 2 * d.width * d.propagator_width
    head = 2 * d.vocabulary * d.propagator_width + d.vocabulary + 1
    return (
        encoder + mixer_parameters(d) + expand + propagator_parameters(d.propagator_width, d.propagator_layers) + head
    )


def flops(variant: Mapping[str, str], d: Dimensions, mode: str) -> float:
    rows, D, P = d.batch_size * d.seq_len, d.width, d.propagator_width
    updates = 50 if variant["transport"] == "sequence" else 1
    encoder = 2 * rows * (EMBEDDED * D + EMBEDDED * d.candidates + d.candidates * D)
    encoder += updates * 2 * ELEMENTARY * rows * d.candidates
    gates = 2 * rows * 2 * D * (D // BLOCK) + 2 * rows * 2 * D * D
    blocks = 2 * 8 * rows * D * (BLOCK + d.states)
    pointwise = (8 * ELEMENTARY + 8 * TAPS + 60) * rows * D
    mixer = d.layers * (gates + blocks + pointwise + 8 * rows * D * D)
    propagator = 8 * rows * D * P + propagator_flops(variant, rows, P, d.propagator_layers)
    head = 4 * rows * P * d.vocabulary
    return MODES[mode] * float(encoder + mixer + propagator + head)


def activation_bytes(variant: Mapping[str, str], d: Dimensions, mode: str, item: int) -> float:
    """Stages follow one another, but what one frees the allocator may keep: their peaks add up."""
    rows, D, P = d.batch_size * d.seq_len, d.width, d.propagator_width
    complex_D, complex_P = 2 * item * rows * D, 2 * item * rows * P
    logits = item * rows * d.vocabulary
    solver = propagator_bytes(variant, rows, P, item)
    if mode == "forward":
        return 16 * complex_D + solver + logits
    saved = 24 * complex_D * d.layers + 4 * complex_P * (d.propagator_layers + 1)
    return item * parameters(d) + saved + max(solver, 3 * logits)
