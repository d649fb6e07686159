"""The switches of SEM: which implementation of everything, before and after. Every level is implemented under its name
in the file that its docstring or the architecture names; here stands what the harness must know.

Tolerances of the solver. H is real symmetric, so A = I + i a H is normal with singular values |1 + i a lambda| >= 1.
The exact solution has |x*| = |q| (the Cayley transform is unitary), the right-hand side |b| = |(I - i a H) q| <= g |q|
with g = sqrt(1 + a^2 LAMBDA^2), LAMBDA bounding the spectrum. A token stops at |b - A x| <= tol |b|; hence
    |x - x*| <= |b - A x| / s_min(A) <= tol g |x*|.
`chebyshev` bounds the error itself by tol; `direct` has none. Later layers amplify it: with psi complex Gaussian of
unit RMS the Kerr phase's Jacobian has the root mean square gain sqrt(1 + 2 E|psi|^4) = sqrt(5), the Cayley step gain 1,
so errors of all layers add up to at most tol g (1 + 5^(1/2) + ... + 5^((layers-1)/2)).

The oracle solves the dense system in complex128, whatever the levels under test.

Gain of the head. With w ~ CN(0, 1) and |psi| = 1 the amplitude a = <w, psi> is CN(0, 1); where psi is off by r in the
2-norm, a is by d ~ CN(0, r^2). `born_quadratic` makes of it ln(x + f), x = |a|^2 exponential with mean 1, f = 1e-6:
    E |2 Re(conj(a) d)/(x + f)|^2 = 2 r^2 E x/(x + f)^2 = 2 r^2 (-ln f - gamma - 1),  E ln^2 x = gamma^2 + pi^2/6
The root of their ratio over r is BORN_GAIN = 3.5, gamma Euler's constant. `log_linear` is linear but for its bias: 1.
Into gradients a enters as 1/a, for the target of each of N tokens (elsewhere the softmax takes it away again): off by
r/|a|, most where |a|^2 is smallest, about 1/N. There that token outweighs the others, so the gain is sqrt(N).
"""

import math

from harness.system import Conditions, Switch, Variant
from sem_impl.sizes import TRAINING

LAMBDA = 9.5
"""Gershgorin: twice the largest degree of an initial H. A degree is a sum of six weights softplus(0.1 N(0, 1)), mean
4.17, deviation 0.12; this is 4.7 deviations above the mean."""
KERR_GAIN = math.sqrt(5)
EULER = 0.5772156649
BORN_GAIN = math.sqrt(2 * (-math.log(1e-6) - EULER - 1) / (EULER**2 + math.pi**2 / 6))


def growth(conditions: Conditions) -> float:
    layers = int(conditions["propagator_layers"])
    right_side = math.sqrt(1 + (float(conditions["dt"]) / 2 * LAMBDA) ** 2)
    return right_side * sum(KERR_GAIN**layer for layer in range(layers))


def steepest(conditions: Conditions) -> float:
    return math.sqrt(float(conditions["batch_size"]) * float(conditions["seq_len"]))


def iterates(variant: Variant) -> bool:
    return variant["method"] != "direct"


def preconditioned(variant: Variant) -> bool:
    return variant["method"] not in ("direct", "chebyshev")


def balances(variant: Variant) -> bool:
    return variant["transport"] == "sequence"


ENCODER = (
    Switch(
        name="transport",
        levels=("sequence", "causal"),
        kind="different",
        source="sem_topology_report 1.1",
        doc="columns balanced within the sequence (a token sees the future), or by a potential the model carries",
    ),
    Switch(
        name="epsilon",
        levels=("fixed", "dimension", "cost_scaled"),
        kind="different",
        source="sem_topology_report 1.1, sem_p0_issues 3",
        doc="0.05; sqrt(2/(D M)); or 0.5 of each row's own spread of costs",
    ),
    Switch(
        name="sinkhorn",
        levels=("dense", "tiled", "fused"),
        kind="exact",
        source="sem_cutting_edge 5",
        doc="the whole cost held, blocks of it recomputed in every update, or a native kernel in the scaling form",
        oracle="dense",
        applies=balances,
    ),
)
MIXER = (
    Switch(
        name="horizon",
        levels=("before", "third"),
        kind="different",
        source="sem_p0_issues 2",
        doc="memory of S/e or S/3 tokens at the start",
    ),
    Switch(
        name="norm",
        levels=("layer_norm", "complex_rms"),
        kind="different",
        source="sem_topology_report 4.2, 5.2, sem_p0_issues 5b",
        doc="over [Re; Im] as real numbers, or by magnitude alone",
    ),
    Switch(
        name="residual",
        levels=("inverse_sqrt_depth", "learned_horizon", "horizon_depth", "theorem"),
        kind="different",
        source="sem_topology_report 4.1, 5.1, sem_p0_issues 5a",
        doc="how a layer's branch is scaled: 1/sqrt(L), or one of the three formulas the documents print",
    ),
    Switch(
        name="scan",
        levels=("sequential", "blelloch", "chunked", "fused"),
        kind="exact",
        source="sem_topology_report 1.1, 2.2, sem_p0_issues 6",
        doc="position after position, a tree of depth O(log S), chunks of sqrt(S), or one native operator",
        oracle="sequential",
        modes=("forward", "prefill", *TRAINING),
    ),
    Switch(
        name="layout",
        levels=("complex64", "planar", "interleaved"),
        kind="exact",
        source="sem_p0_issues 6",
        doc="complex numbers, real and imaginary planes, or [B, 2D, S] with Re and Im in turn",
        oracle="complex64",
    ),
)
SOLVER = (
    Switch(
        name="method",
        levels=("cg", "cocg", "cgnr", "chebyshev", "direct"),
        kind="approximate",
        source="sem_topology_report 3.2, sem_p0_issues 1",
        doc="how (I + i a H) x = b is solved; plain cg has no theory for this matrix and stalls from dt 0.1 on",
        oracle="direct",
    ),
    Switch(
        name="matrix",
        levels=("rebuild", "cached", "stencil"),
        kind="exact",
        source="sem_topology_report 3.2 (1), sem_p0_issues 1",
        doc="three COO matrices built for every product, one CSR per forward, or neighbours gathered without a matrix",
        oracle="cached",
        applies=iterates,
    ),
    Switch(
        name="preconditioner",
        levels=("none", "block_jacobi"),
        kind="approximate",
        source="sem_topology_report 3.2 (2), sem_p0_issues 1",
        doc="the 2x2 block of the diagonal, inverted",
        oracle="none",
        applies=preconditioned,
    ),
    Switch(
        name="tolerance",
        levels=("fixed", "adaptive"),
        kind="approximate",
        source="sem_topology_report 3.2 (3), sem_p0_issues 1",
        doc="1e-6, or 1e-4 before training step 1000 and 1e-5 before 10 000",
        tolerance={"fixed": 1e-6, "adaptive": 1e-4},
        growth=growth,
        oracle="fixed",
        applies=iterates,
        modes=("forward", *TRAINING),
    ),
    Switch(
        name="kernels",
        levels=("eager", "compiled", "fused"),
        kind="exact",
        source="sem_topology_report 3.2 (4)",
        doc="torch's own operators on complex numbers, compiled leaf functions on real planes, or native ones, which "
        "the norms, gates and convolutions have too; chebyshev or cocg on stencil is then one with the phase",
        oracle="eager",
    ),
)
HEAD = (
    Switch(
        name="head",
        levels=("born_quadratic", "log_linear"),
        kind="different",
        source="sem_p0_issues 4",
        doc="ln(|<w, psi>|^2), or W_r Re psi + W_i Im psi + b",
        gain={"born_quadratic": BORN_GAIN},
        gradient_gain={"born_quadratic": steepest},
    ),
    Switch(
        name="loss",
        levels=("materialised", "chunked"),
        kind="exact",
        source="sem_topology_report 2.1",
        doc="from all logits at once, or from those of some words at a time",
        oracle="materialised",
        modes=TRAINING,
    ),
)
OPTIMISER = (
    Switch(
        name="learning_rate",
        levels=("uniform", "linear_depth", "exponential_depth"),
        kind="different",
        source="sem_topology_report 4.3, 5.3, sem_p0_issues 5c",
        doc="one rate, or up to 4 times as much with depth",
        modes=("train_update",),
    ),
    Switch(
        name="checkpointing",
        levels=("none", "every_k"),
        kind="exact",
        source="sem_topology_report 6",
        doc="all activations of the mixer kept, or the input of every second layer and all layers run once more",
        oracle="none",
        modes=TRAINING,
    ),
)
