"""What the mathematics of a stage asks for at the least: real FLOPs, and bytes across memory. No torch.

A floor: no level of an exact or approximate switch does with less. Counted for N = B S tokens (rows): a real
multiply-add 2 FLOPs, a complex one 8, complex times real 2, an elementary function 10. Not counted: comparisons,
indices, what depends on parameters alone and may be kept (H, U0, decay rates), what is computed a second time, and the
Sinkhorn updates, whose number is the text's matter. Sizes as in `sizes`; E = 64, n = D/G, R layers of the propagator,
m products with H (`least`). FLOPs per token:

    stage            products                        pointwise                  elementary functions
    encoder      (1) 2 E D + 2 E K + 2 M D           2 E + 7 K + 5 M + 2 D      K + M
    mixer        (2) L (D^2/2 + 4 D^2 + 8 D^2        L (44 D + D/4)             L (8 D + D/8)
                        + 2 64 D + 32 D + 16 n D)
    propagator   (3) 8 D P                           7 D                        0
                 (4) R P m (24 + 8)                  R P 10                     R P 2
    head         (5) 4 P V                           6 P + V                    0; V with the loss

    (1) projection, products with the codes, output map: M entries of a row of t are not 0
    (2) gate, step and output maps; U0^H z and U0 z in blocks of 8; 4 taps; B y and C h in groups.
        Pointwise: norm 7, gate's phase and turn 7, magnitude gate 7, bias of the step 1, A 4, u 2, scan 8, skip 4,
        residual 4; elementary: turn 2, magnitude gate 1, softplus 2, A 3. The sigmoid of a block of 8: 2 and 1
    (3) norm and expansion
    (4) Kerr phase kappa |psi|^2 and turn; m products with H, each followed by one complex multiply-add (Horner). H v
        by its 3 edges a node: w (v_i - v_j), added at both ends, 8 FLOPs an edge
    (5) norm of the row and scale, logits, bias; the loss needs exp and sum of every logit, kept or not

    (6) forward   products + pointwise + 10 elementary
    (7) backward  2 products (the gradients of both factors) + pointwise; elementary functions are kept from the
        forward pass. (4) instead: R P (16 + m (24 + 8) + 28), its adjoint being the same solve; 16 and 28 are
        equations (4) and (3) of `propagator`
    (8) forward bytes   the stage's input, its parameters and its output, each once
    (9) backward bytes  input, parameters and the output's gradient read, the gradients of parameters and input
        written, each once

What passes between the steps of a stage need never leave the cache. Of the embedding one row is counted (repeated
tokens may come from cache, and how many differ is the text's matter), of the output map M columns. A real number has
`item` bytes, a complex one two of them, a token id 8.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sem_impl.estimate import mixer_parameters, propagator_parameters
from sem_impl.least import least_products
from sem_impl.sizes import BLOCK, EMBEDDED, OFFSETS, TAPS, Dimensions
from sem_impl.tolerance import TOLERANCES

ELEMENTARY = 10
TOKEN_BYTES = 8


class Work(NamedTuple):
    """FLOPs and bytes of a call; the backward pass's are 0 in a mode without one."""

    flops: float
    minimum_bytes: float
    backward_flops: float = 0.0
    backward_minimum_bytes: float = 0.0


class Flops(NamedTuple):
    """Of one token, forward and backward: equations (6) and (7)."""

    forward: float
    backward: float

    def __add__(self, other: "Flops") -> "Flops":
        return Flops(self.forward + other.forward, self.backward + other.backward)


def counted(products: float, pointwise: float, elementary: float) -> Flops:
    return Flops(products + pointwise + ELEMENTARY * elementary, 2 * products + pointwise)


def encoder(d: Dimensions) -> Flops:
    products = 2 * EMBEDDED * d.width + 2 * EMBEDDED * d.candidates + 2 * d.kept * d.width
    pointwise = 2 * EMBEDDED + 7 * d.candidates + 5 * d.kept + 2 * d.width
    return counted(products, pointwise, d.candidates + d.kept)


def mixer(d: Dimensions) -> Flops:
    D, blocks = d.width, d.width // BLOCK
    maps = 4 * D * blocks + 4 * D * D + 8 * D * D
    narrow = 2 * 8 * BLOCK * D + 8 * TAPS * D + 2 * 8 * d.states * D
    return counted(d.layers * (maps + narrow), d.layers * (44 * D + 2 * blocks), d.layers * (8 * D + blocks))


def evolution(variant: Mapping[str, str], conditions: Mapping[str, Any], P: int, layers: int) -> Flops:
    """Equation (4): Kerr phases and Cayley steps."""
    tolerance = TOLERANCES[variant["tolerance"]](int(conditions["training_step"]))
    products = least_products(P, float(conditions["dt"]), tolerance, int(conditions["max_iterations"]))
    solve = products * (8 * len(OFFSETS) + 8)
    return Flops(layers * P * (solve + 10 + 2 * ELEMENTARY), layers * P * (16 + solve + 28))


def propagator(variant: Mapping[str, str], conditions: Mapping[str, Any], d: Dimensions) -> Flops:
    P = d.propagator_width
    return counted(8 * d.width * P, 7 * d.width, 0) + evolution(variant, conditions, P, d.propagator_layers)


def head(d: Dimensions, training: bool) -> Flops:
    P, V = d.propagator_width, d.vocabulary
    return counted(4 * P * V, 6 * P + V, V if training else 0)


def stages(
    variant: Mapping[str, str], conditions: Mapping[str, Any], d: Dimensions, mode: str, item: int
) -> dict[str, Work]:
    """Stage of `sem` -> its floor in one call."""
    training, rows = mode == "train_step", d.batch_size * d.seq_len
    D, P, V, E = d.width, d.propagator_width, d.vocabulary, EMBEDDED
    thin, wide, logits = 2 * item * rows * D, 2 * item * rows * P, item * rows * V
    used = D + E * D + d.candidates * E + d.kept * D
    expanding = D + 2 * D * P + propagator_parameters(P, d.propagator_layers)
    answering = 2 * V * P + V + 1

    def work(flops: Flops, given: float, parameters: float, result: float, gradient: float) -> Work:
        """`gradient`: bytes of the gradient of the input."""
        held = item * parameters
        forward = Work(rows * flops.forward, given + held + result)
        if not training:
            return forward
        return Work(*forward[:2], rows * flops.backward, given + result + 2 * held + gradient)

    return {
        "encoder": work(encoder(d), TOKEN_BYTES * rows, used, thin, 0),
        "mixer": work(mixer(d), thin, mixer_parameters(d), thin, thin),
        "propagator": work(propagator(variant, conditions, d), thin, expanding, wide, thin),
        "head": work(
            head(d, training),
            wide + (TOKEN_BYTES * rows if training else 0),
            answering,
            item if training else logits,
            wide,
        ),
    }


def alone(variant: Mapping[str, str], conditions: Mapping[str, Any], mode: str, item: int) -> Work:
    """`sem_propagator`: equation (4) by itself. A training step adds its loss Re <w, psi'>: 4 FLOPs an entry, 2 in the
    adjoint, and w is read once in each pass."""
    rows, P, layers = (int(conditions[name]) for name in ("rows", "propagator_width", "propagator_layers"))
    flops = evolution(variant, conditions, P, layers)
    field, held = 2 * item * rows * P, item * propagator_parameters(P, layers)
    if mode != "train_step":
        return Work(rows * flops.forward, field + held + field)
    return Work(
        rows * (flops.forward + 4 * P),
        3 * field + held,
        rows * (flops.backward + 2 * P),
        3 * field + 2 * held,
    )
