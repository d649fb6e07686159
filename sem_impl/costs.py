"""What the mathematics of a stage asks for at the least: real FLOPs, and bytes across memory. No torch.

A floor: no level of an exact or approximate switch does with less. Counted per token (row): a real multiply-add 2, a
complex one 8, complex times real 2, an elementary function 10. Not counted: comparisons, indices, what depends on
parameters alone and may be kept (H, U0, decay rates), what is computed a second time (checkpoints), a row's spread of
costs, and the Sinkhorn updates, whose number is the text's matter. Sizes as in `sizes`; E = 64, n = D/G, R layers of
the propagator, m products with H (`least`), norm 7 D for `complex_rms`, 14 D for `layer_norm`. FLOPs per token:

    stage            products                        pointwise                  elementary functions
    encoder      (1) 2 E D + 2 E K + 2 M D           2 E + 7 K + 5 M + 2 D      K + M
    mixer        (2) L (D^2/2 + 4 D^2 + 2 64 D       L (29 D + norm + D/4)      L (8 D + D/8)
                        + 32 D + 8 n D)
                 (3) L (8 n D + 8 D^2)               L 8 D                      0
    propagator   (4) 8 D P                           norm                       0
                 (5) R P m (24 + 8)                  R P 10                     R P 2
    head         (6) log_linear 4 P V                6 P + V                    0; V with the loss
                 (7) born_quadratic 8 P V            6 P + 4 V; 5 V ..          V; 0 with the loss
    optimiser    (8) 21 a parameter, however many tokens

    (1) projection, products with the codes, output map: M entries of a row of t are not 0
    (2) gate and step maps; U0^H z and U0 z in blocks of 8; 4 taps; B y in groups.
        Pointwise: norm, gate's phase and turn 7, magnitude gate 7, bias of the step 1, A 4, u 2, scan 8; elementary:
        turn 2, magnitude gate 1, softplus 2, A 3. The sigmoid of a block of 8: 2 and 1
    (3) what no later position reads: C h in groups, output map; skip 4, residual 4
    (4) norm and expansion
    (5) Kerr phase kappa |psi|^2 and turn; m products with H, each followed by one complex multiply-add (Horner). H v
        by its 3 edges a node: w (v_i - v_j), added at both ends, 8 FLOPs an edge. In a prefill and in decoding m is
        that of a finished training
    (6) norm of the row and scale, logits, bias; the loss needs exp and sum of every logit, kept or not
    (7) <w, psi>, its square 3, the addend 1, ln; the loss is ln of a sum of squares less ln of one, so it needs the sum
        of all (1) and two logarithms
    (8) AdamW: `estimate`

    (9)  forward   products + pointwise + 10 elementary
    (10) backward  2 products (the gradients of both factors) + pointwise; elementary functions are kept from the
         forward pass. (5) instead: R P (16 + m (24 + 8) + 28), its adjoint being the same solve; 16 and 28 are
         equations (4) and (3) of `propagator`
         The loss `chunked` forms its gradients in the forward pass: there it has both, and no backward
    (11) forward bytes   the stage's input, its parameters and its output, each once; the optimiser reads p, g, m, v and
         writes p, m, v
    (12) backward bytes  input, parameters and the output's gradient read, the gradients of parameters and input
         written, each once

Rows by mode: N = B S; in a prefill B for (3) of the last layer, propagator and head, N for all before; decoding B. A
prefill writes what the text carries on, 4 complex numbers a layer, row and column of D; decoding reads and writes it.

What passes between the steps of a stage need never leave the cache. Of the embedding one row is counted (repeated
tokens may come from cache, and how many differ is the text's matter), of the output map M columns. A real number has
`item` bytes, a complex one two of them, a token id 8.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sem_impl.estimate import (
    ELEMENTARY,
    UPDATE,
    Rows,
    head_parameters,
    mixer_parameters,
    parameters,
    propagator_parameters,
    rows_of,
    stage_parameters,
)
from sem_impl.least import least_products
from sem_impl.sizes import BLOCK, EMBEDDED, INFERENCE, OFFSETS, TAPS, TRAINING, Dimensions
from sem_impl.tolerance import TOLERANCES, fixed

TOKEN_BYTES = 8
NORM = {"layer_norm": 14, "complex_rms": 7}
"""Pointwise FLOPs by level, each times D: mean 2, sum of squares 4, then one multiply-add for the row and one for the
weights of every real number 8; or sum of squares 4, scale 1, product 2."""


class Work(NamedTuple):
    """FLOPs and bytes of a call; the backward pass's are 0 in a mode without one."""

    flops: float
    minimum_bytes: float
    backward_flops: float = 0.0
    backward_minimum_bytes: float = 0.0


class Flops(NamedTuple):
    """Forward and backward: equations (9) and (10)."""

    forward: float
    backward: float

    def __add__(self, other: "Flops") -> "Flops":
        return Flops(self.forward + other.forward, self.backward + other.backward)

    def times(self, rows: int) -> "Flops":
        return Flops(rows * self.forward, rows * self.backward)


def counted(products: float, pointwise: float, elementary: float) -> Flops:
    return Flops(products + pointwise + ELEMENTARY * elementary, 2 * products + pointwise)


def encoder(d: Dimensions) -> Flops:
    products = 2 * EMBEDDED * d.width + 2 * EMBEDDED * d.candidates + 2 * d.kept * d.width
    pointwise = 2 * EMBEDDED + 7 * d.candidates + 5 * d.kept + 2 * d.width
    return counted(products, pointwise, d.candidates + d.kept)


def reading(variant: Mapping[str, str], d: Dimensions) -> Flops:
    """Equation (2), one layer."""
    D, blocks = d.width, d.width // BLOCK
    maps = 4 * D * blocks + 4 * D * D
    narrow = 2 * 8 * BLOCK * D + 8 * TAPS * D + 8 * d.states * D
    return counted(maps + narrow, (29 + NORM[variant["norm"]]) * D + 2 * blocks, 8 * D + blocks)


def answering(d: Dimensions) -> Flops:
    """Equation (3), one layer."""
    return counted(8 * d.states * d.width + 8 * d.width**2, 8 * d.width, 0)


def mixer(variant: Mapping[str, str], d: Dimensions, rows: Rows) -> Flops:
    """Of all rows."""
    every = (reading(variant, d).times(d.layers) + answering(d).times(d.layers - 1)).times(rows.mixed)
    return every + answering(d).times(rows.answered)


def evolution(variant: Mapping[str, str], conditions: Mapping[str, Any], P: int, layers: int, mode: str) -> Flops:
    """Equation (5): Kerr phases and Cayley steps."""
    finished = mode in INFERENCE
    tolerance = fixed(0) if finished else TOLERANCES[variant["tolerance"]](int(conditions["training_step"]))
    products = least_products(P, float(conditions["dt"]), tolerance, int(conditions["max_iterations"]))
    solve = products * (8 * len(OFFSETS) + 8)
    return Flops(layers * P * (solve + 10 + 2 * ELEMENTARY), layers * P * (16 + solve + 28))


def propagator(variant: Mapping[str, str], conditions: Mapping[str, Any], d: Dimensions, mode: str) -> Flops:
    P = d.propagator_width
    expansion = counted(8 * d.width * P, NORM[variant["norm"]] * d.width, 0)
    return expansion + evolution(variant, conditions, P, d.propagator_layers, mode)


def head(variant: Mapping[str, str], d: Dimensions, training: bool) -> Flops:
    P, V = d.propagator_width, d.vocabulary
    if variant["head"] == "born_quadratic":
        return counted(8 * P * V, 6 * P + (5 if training else 4) * V, 0 if training else V)
    return counted(4 * P * V, 6 * P + V, V if training else 0)


def stages(
    variant: Mapping[str, str], conditions: Mapping[str, Any], d: Dimensions, mode: str, item: int
) -> dict[str, Work]:
    """Stage of the pipeline -> its floor in one call."""
    training, rows = mode in TRAINING, rows_of(d, mode)
    D, P, E = d.width, d.propagator_width, EMBEDDED
    thin, last, wide = (2 * item * count for count in (rows.mixed * D, rows.answered * D, rows.answered * P))
    logits = item * rows.answered * d.vocabulary
    carried = 2 * item * d.batch_size * d.layers * TAPS * D  # the convolution's last three inputs, and h
    brought, left = carried if mode == "decode" else 0, carried if mode in INFERENCE else 0
    used = D + E * D + d.candidates * E + d.kept * D

    def work(flops: Flops, given: float, numbers: float, result: float, gradient: float) -> Work:
        """`gradient`: bytes of the gradient of the input."""
        held = item * numbers
        forward = Work(flops.forward, given + held + result)
        if not training:
            return forward
        return Work(*forward[:2], flops.backward, given + result + 2 * held + gradient)

    held, asked = item * head_parameters(variant, d), wide + (TOKEN_BYTES * rows.answered if training else 0)
    answer = head(variant, d, training).times(rows.answered)
    evolved = propagator(variant, conditions, d, mode).times(rows.answered)
    return {
        "encoder": work(encoder(d).times(rows.mixed), TOKEN_BYTES * rows.mixed, used, thin, 0),
        "mixer": work(mixer(variant, d, rows), thin + brought, mixer_parameters(variant, d), last + left, thin),
        "propagator": work(evolved, last, stage_parameters(variant, d), wide, last),
        "head": work(answer, asked, head_parameters(variant, d), item if training else logits, wide)
        if variant["loss"] == "materialised" or not training
        else Work(sum(answer), asked + 2 * held + item + wide),
    }


def optimiser(variant: Mapping[str, str], d: Dimensions, item: int) -> Work:
    """Equation (8)."""
    count = parameters(variant, d)
    return Work(UPDATE * count, (4 + 3) * item * count)


def alone(variant: Mapping[str, str], conditions: Mapping[str, Any], mode: str, item: int) -> Work:
    """`sem_propagator`: equation (5) by itself. A training step adds its loss Re <w, psi'>: 4 FLOPs an entry, 2 in the
    adjoint, and w is read once in each pass."""
    rows, P, layers = (int(conditions[name]) for name in ("rows", "propagator_width", "propagator_layers"))
    flops = evolution(variant, conditions, P, layers, mode)
    field, held = 2 * item * rows * P, item * propagator_parameters(P, layers)
    if mode not in TRAINING:
        return Work(rows * flops.forward, field + held + field)
    return Work(
        rows * (flops.forward + 4 * P),
        3 * field + held,
        rows * (flops.backward + 2 * P),
        3 * field + 2 * held,
    )
