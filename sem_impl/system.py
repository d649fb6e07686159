"""SEM and its propagator alone, as the harness sees them. The only file here that knows a harness; torch is imported
inside functions, so that plans need none.

Tolerances of the solver. H is real symmetric, so A = I + i a H is normal with singular values |1 + i a lambda| >= 1.
The exact solution has |x*| = |q| (the Cayley transform is unitary), the right-hand side |b| = |(I - i a H) q| <= g |q|
with g = sqrt(1 + a^2 LAMBDA^2), LAMBDA bounding the spectrum. A token stops at |b - A x| <= tol |b|; hence
    |x - x*| <= |b - A x| / s_min(A) <= tol g |x*|.
`chebyshev` bounds the error itself by tol; `direct` has none. Later layers amplify it: with psi complex Gaussian of
unit RMS the Kerr phase's Jacobian has the root mean square gain sqrt(1 + 2 E|psi|^4) = sqrt(5), the Cayley step gain 1,
so errors of all layers add up to at most tol g (1 + 5^(1/2) + ... + 5^((layers-1)/2)).

The oracle solves the dense system in complex128, whatever the levels under test.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from harness.system import Batch, Condition, Conditions, Cost, Estimate, Order, Output, Probe, Switch, Variant
from sem_impl import costs, estimate
from sem_impl.sizes import SIZES, Dimensions

LAMBDA = 9.5
"""Gershgorin: twice the largest degree of an initial H. A degree is a sum of six weights softplus(0.1 N(0, 1)), mean
4.17, deviation 0.12; this is 4.7 deviations above the mean."""
KERR_GAIN = math.sqrt(5)
ROUNDOFF = 2.0**-24
"""Of float32."""


def growth(conditions: Conditions) -> float:
    layers = int(conditions["propagator_layers"])
    right_side = math.sqrt(1 + (float(conditions["dt"]) / 2 * LAMBDA) ** 2)
    return right_side * sum(KERR_GAIN**layer for layer in range(layers))


def iterates(variant: Variant) -> bool:
    return variant["method"] != "direct"


def preconditioned(variant: Variant) -> bool:
    return variant["method"] not in ("direct", "chebyshev")


TRANSPORT = Switch(
    name="transport",
    levels=("sequence", "causal"),
    kind="different",
    source="sem_topology_report 1.1",
    doc="columns balanced within the sequence (a token sees the future), or by a potential the model carries",
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
        levels=("rebuild", "cached"),
        kind="exact",
        source="sem_topology_report 3.2 (1), sem_p0_issues 1",
        doc="three COO matrices built for every product, or one CSR per forward",
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
    ),
    Switch(
        name="kernels",
        levels=("eager", "compiled"),
        kind="exact",
        source="sem_topology_report 3.2 (4)",
        doc="torch's own operators on complex numbers, or compiled leaf functions on real planes",
        oracle="eager",
    ),
)
STATUS_QUO = {
    "method": "cocg",
    "matrix": "rebuild",
    "preconditioner": "none",
    "tolerance": "fixed",
    "kernels": "eager",
}
ALL_ON = {
    "method": "cocg",
    "matrix": "cached",
    "preconditioner": "block_jacobi",
    "tolerance": "adaptive",
    "kernels": "compiled",
}

EVOLUTION = (
    Condition("propagator_layers", 1, 1, 64, doc="Kerr and Cayley steps, each with its own parameters"),
    Condition("dt", 0.1, 1e-4, 10.0, doc="a = dt/2"),
    Condition("training_step", 0, 0, 10**9, doc="what the adaptive tolerance depends on"),
    Condition("max_iterations", 50, 1, 10_000, doc="of the solver, per layer"),
)
PROBES = (
    Probe("iterations_mean", "iterations", "updates of x per solve, mean over tokens and layers", exact=True),
    Probe("iterations_max", "iterations", "updates of x per solve, worst token and layer", exact=True),
    Probe("products", "products", "of H with a block, all layers", exact=True),
    Probe("residual", "", "worst true |b - A x| / |b|"),
    Probe("norm_defect", "", "worst | |psi'| / |q| - 1 |"),
    Probe("outcome", "", "how the solves ended"),
)
MODES = ("forward", "train_step")
DEVICES = ("cpu", "cuda", "xpu")


def solver_settings(variant: Variant, conditions: Conditions) -> dict[str, Any]:
    levels = {switch.name: variant[switch.name] for switch in SOLVER}
    return levels | {name: conditions[name] for name in ("dt", "training_step", "max_iterations")}


def device_of(conditions: Conditions) -> str:
    """Parameters and inputs are drawn on the host and moved there: they are the same on every device."""
    return str(conditions.get("device", "cpu"))


class Sem:
    name = "sem"
    title = "SEM V5.5, the whole model"
    switches = (TRANSPORT, *SOLVER)
    conditions = (
        Condition("batch_size", 2, 1, 4096, "rows"),
        Condition("seq_len", 32, 1, 65_536, "tokens"),
        Condition("width", 64, 8, 16_384, doc="D"),
        Condition("propagator_width", 256, 129, 65_536, doc="P; above 128, else offset 64 is its own mirror"),
        Condition("layers", 2, 1, 128, doc="L, of the mixer"),
        Condition("groups", 4, 1, 1024, doc="G, of the mixer's state"),
        Condition("candidates", 32, 2, 8192, doc="K, of the transport"),
        Condition("kept", 16, 1, 8192, doc="M, transport entries kept per token"),
        Condition("vocabulary", 256, 256, 1_000_000, doc="V; the text itself has ids below 256"),
        *EVOLUTION,
    )
    sizes = MappingProxyType(SIZES)
    modes = MODES
    devices = DEVICES
    variants = MappingProxyType(
        {"status_quo": {"transport": "causal", **STATUS_QUO}, "all_on": {"transport": "causal", **ALL_ON}}
    )
    stages = MappingProxyType({name: name for name in ("encoder", "mixer", "propagator", "head")})
    probes = (
        *PROBES,
        Probe("sinkhorn_updates", "updates", "of the transport's potential", exact=True),
        Probe("marginal_error", "", "sum over candidates of |mass - 1/K|"),
    )
    rounding = 190 * ROUNDOFF
    """A value passes some 20 operations in each of 8 mixer layers and 30 outside them, each rounding once."""
    gradient_slack = 2 * KERR_GAIN * 7
    """A gradient sums, over tokens, products of a forward value and an adjoint, both in error (2); the adjoint passes
    the Kerr phase's Jacobian once more than the output does (KERR_GAIN); the sum may cancel (7, our allowance: in the
    scalars of the magnitude gates it cancels to about a fifth)."""
    order = Order("tokens", 1, "logits", 1, leaks=lambda variant: variant["transport"] == "sequence")

    def estimate(self, variant: Variant, conditions: Conditions, mode: str) -> Estimate:
        d = Dimensions.of(conditions)
        item = estimate.itemsize(conditions)
        return Estimate(
            flops=estimate.flops(variant, d, mode),
            parameter_bytes=item * estimate.parameters(d),
            activation_bytes=estimate.activation_bytes(variant, d, mode, item),
            stages={name: Cost(*work) for name, work in costs.stages(variant, conditions, d, mode, item).items()},
        )

    def build(
        self, variant: Variant, conditions: Conditions, seed: int, dtype: str = "float32", share: Any | None = None
    ) -> Any:
        import torch

        from sem_impl.initial import Initial
        from sem_impl.model import Model

        initial = Initial(seed, getattr(torch, dtype), share)
        settings = solver_settings(variant, conditions)
        model = Model(initial, Dimensions.of(conditions), transport=variant["transport"], **settings)
        return model.to(device_of(conditions))

    def batch(self, conditions: Conditions, seed: int, dtype: str = "float32") -> Batch:  # noqa: ARG002 - ids have none
        from sem_impl.text import windows

        tokens, facts = windows(int(conditions["batch_size"]), int(conditions["seq_len"]) + 1, seed)
        return Batch({"tokens": tokens.to(device_of(conditions))}, facts)

    def run(self, model: Any, batch: Batch, mode: str) -> Output:
        import torch

        inputs, targets = batch.inputs["tokens"][:, :-1], batch.inputs["tokens"][:, 1:]
        if mode == "train_step":
            return Output({}, loss=model(inputs, targets).result)
        with torch.no_grad():
            return Output({"logits": model(inputs).result})

    def read_probes(self, model: Any, batch: Batch) -> Mapping[str, float | str]:
        import torch

        with torch.no_grad():
            encoded = model.encoder(batch.inputs["tokens"][:, :-1])
            psi = model.propagator.expanded(model.mixer(encoded.psi))
            readings = model.propagator.evolve.probe(psi)
        return readings | {"sinkhorn_updates": encoded.updates, "marginal_error": float(encoded.error)}


class SemPropagator:
    name = "sem_propagator"
    title = "The propagator of SEM alone: Kerr phase and Cayley step on unit-RMS rows"
    switches = SOLVER
    conditions = (
        Condition("rows", 512, 1, 1_000_000, doc="B S"),
        Condition("propagator_width", 2048, 129, 65_536, doc="P; above 128, else offset 64 is its own mirror"),
        *EVOLUTION,
    )
    sizes = MappingProxyType(
        {"tiny": {"rows": 64, "propagator_width": 256}, "document": {"rows": 512, "propagator_width": 2048}}
    )
    modes = MODES
    devices = DEVICES
    variants = MappingProxyType({"status_quo": STATUS_QUO, "all_on": ALL_ON})
    stages = MappingProxyType({})
    probes = PROBES
    rounding = 50 * ROUNDOFF
    """Some 20 operations in the Kerr phase and the right-hand side; the solver's own are within its tolerance."""
    gradient_slack = 2 * KERR_GAIN
    """As for the whole model, but for cancellation: the random loss leaves none."""
    order = Order("psi", 0, "psi", 0)

    def estimate(self, variant: Variant, conditions: Conditions, mode: str) -> Estimate:
        rows, width, layers = (int(conditions[name]) for name in ("rows", "propagator_width", "propagator_layers"))
        item = estimate.itemsize(conditions)
        kept = 3 * 2 * item * rows * width * layers if mode == "train_step" else 0
        return Estimate(
            flops=estimate.MODES[mode] * estimate.propagator_flops(variant, rows, width, layers),
            parameter_bytes=item * estimate.propagator_parameters(width, layers),
            activation_bytes=kept + estimate.propagator_bytes(variant, rows, width, item),
            whole=Cost(*costs.alone(variant, conditions, mode, item)),
        )

    def build(
        self, variant: Variant, conditions: Conditions, seed: int, dtype: str = "float32", share: Any | None = None
    ) -> Any:
        import torch

        from sem_impl.initial import Initial
        from sem_impl.propagator import Propagator

        alone = Propagator(
            Initial(seed, getattr(torch, dtype), share),
            layers=int(conditions["propagator_layers"]),
            P=int(conditions["propagator_width"]),
            **solver_settings(variant, conditions),
        )
        return alone.to(device_of(conditions))

    def batch(self, conditions: Conditions, seed: int, dtype: str = "float32") -> Batch:
        """psi: rows CN(0, 1) of unit RMS. functional: the fixed random vector w of the loss, so that every gradient
        of a training step is a number that can be checked. Both drawn in float32 whatever the dtype."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        shape = (int(conditions["rows"]), int(conditions["propagator_width"]))
        psi, functional = (torch.randn(shape, dtype=torch.complex64, generator=generator) for _ in range(2))
        psi = psi / psi.abs().square().mean(-1, keepdim=True).sqrt()
        to = (device_of(conditions), torch.complex128 if dtype == "float64" else torch.complex64)
        return Batch({"psi": psi.to(*to), "functional": functional.to(*to)}, {"dataset": "random rows"})

    def run(self, model: Any, batch: Batch, mode: str) -> Output:
        """train_step: loss = Re <w, psi'> / rows; the input is a leaf of its own, so that its gradient is formed as
        inside a model."""
        import torch

        psi, functional = batch.inputs["psi"], batch.inputs["functional"]
        if mode == "train_step":
            evolved = model(psi.detach().requires_grad_())
            return Output({"psi": evolved}, loss=(functional.conj() * evolved).real.sum() / len(psi))
        with torch.no_grad():
            return Output({"psi": model(psi)})

    def read_probes(self, model: Any, batch: Batch) -> Mapping[str, float | str]:
        import torch

        with torch.no_grad():
            return dict(model.probe(batch.inputs["psi"]))


SEM = Sem()
SEM_PROPAGATOR = SemPropagator()
