"""`sem_propagator`: Kerr phase and Cayley step alone, without a model around them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from harness.system import Batch, Condition, Conditions, Cost, Estimate, Order, Output, Variant
from sem_impl import costs, estimate
from sem_impl.sizes import TRAINING
from sem_impl.system.common import DEVICES, EVOLUTION, PROBES, ROUNDOFF, device_of, evolution
from sem_impl.system.needs import Needs
from sem_impl.system.switches import KERR_GAIN, SOLVER
from sem_impl.system.variants import PROPAGATOR_AFTER, PROPAGATOR_BEFORE, PROPAGATOR_BEYOND


class SemPropagator(Needs):
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
    modes = ("forward", "train_step")
    devices = DEVICES
    variants = MappingProxyType(
        {"status_quo": PROPAGATOR_BEFORE, "all_on": PROPAGATOR_AFTER, "beyond": PROPAGATOR_BEYOND}
    )
    stages = MappingProxyType({})
    probes = PROBES
    native = MappingProxyType({("kernels", "fused"): ("cayley",)})
    rounding = 50 * ROUNDOFF
    """Some 20 operations in the Kerr phase and the right-hand side; the solver's own are within its tolerance. Derived
    for one layer, applied to any number: each more would multiply by KERR_GAIN."""
    gradient_slack = 2 * KERR_GAIN
    """As for the whole model, but for cancellation: the random loss leaves none."""
    order = Order("psi", 0, "psi", 0)

    def estimate(self, variant: Variant, conditions: Conditions, mode: str) -> Estimate:
        rows, width, layers = (int(conditions[name]) for name in ("rows", "propagator_width", "propagator_layers"))
        item = estimate.itemsize(conditions)
        trains = mode in TRAINING
        kept = 3 * 2 * item * rows * width * layers if trains else 0
        passes = estimate.PASSES if trains else 1
        return Estimate(
            flops=passes * estimate.propagator_flops(variant, rows, width, layers, mode),
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
            **{switch.name: variant[switch.name] for switch in SOLVER},
            **evolution(conditions),
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
            readings, _ = model.probe(batch.inputs["psi"])
        return readings


SEM_PROPAGATOR = SemPropagator()
