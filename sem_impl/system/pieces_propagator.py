"""`sem_kerr`: the propagator's phase alone. `sem_cayley`: phase and step, `sem_propagator` with a copy beside it."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from harness.system import Batch, Condition, Conditions, Cost, Estimate, Order, Variant
from sem_impl import estimate
from sem_impl.estimate import ELEMENTARY
from sem_impl.system.alone import SemPropagator
from sem_impl.system.common import ROUNDOFF
from sem_impl.system.pieces import WORK, Piece, computes, named, trained, where_computed
from sem_impl.system.switches import KERR_GAIN, SOLVER
from sem_impl.system.variants import PROPAGATOR_AFTER, PROPAGATOR_BEFORE

KERNELS = named(SOLVER, "kernels")


class SemKerr(Piece):
    name = "sem_kerr"
    title = "The Kerr phase of SEM alone: every number turned by its own intensity"
    switches = (
        where_computed(
            KERNELS,
            levels=("complex_exp", *KERNELS.levels),
            doc=f"psi exp(i kappa |psi|^2) by torch's complex exponential; {KERNELS.doc}",
        ),
        WORK,
    )
    conditions = (
        Condition("rows", 512, 1, 1_000_000, doc="B S"),
        Condition("propagator_width", 2048, 1, 65_536, doc="P"),
    )
    sizes = MappingProxyType(
        {"tiny": {"rows": 37, "propagator_width": 129}, "document": {"rows": 512, "propagator_width": 2048}}
    )
    variants = MappingProxyType(
        {
            "status_quo": {"kernels": PROPAGATOR_BEFORE["kernels"], "work": "computed"},
            "all_on": {"kernels": PROPAGATOR_AFTER["kernels"], "work": "computed"},
        }
    )
    rounding = 20 * ROUNDOFF
    """The phase kappa |psi|^2 rounds 4 times and is some 20 at the largest of a million entries, 1 typically; its sine,
    cosine and the turn round some 8 times."""
    gradient_slack = 4 * KERR_GAIN
    order = Order("psi", 0, "psi", 0)
    given, made = "psi", "psi"
    native = SemPropagator.native

    def cost(self, variant: Variant, conditions: Conditions, training: bool, item: int) -> Cost:
        """Equation (5) of `costs` without a solve. psi read and written; in the adjoint psi read, its gradient
        written."""
        count = int(conditions["rows"]) * int(conditions["propagator_width"])
        field = 2 * item * count
        forward, adjoint = Cost((10 + 2 * ELEMENTARY) * count, 2 * field), (16 * count, 2 * field)
        if not computes(variant):
            forward, adjoint = Cost(count, 2 * field), (0, 0)
        return trained(forward, field, 2 * count, *adjoint) if training else forward

    def parameters(self, variant: Variant, conditions: Conditions) -> int:  # noqa: ARG002 - one signature
        return int(conditions["propagator_width"])

    def kept(self, conditions: Conditions) -> int:
        return 2 * int(conditions["rows"]) * int(conditions["propagator_width"])

    def made_by(self, initial: Any, variant: Variant, conditions: Conditions) -> Any:
        from sem_impl.system.pieces_models import KerrPhase

        return KerrPhase(initial, int(conditions["propagator_width"]), variant["kernels"], variant["work"])

    def drawn(self, conditions: Conditions, generator: Any) -> dict[str, Any]:
        import torch

        shape = (int(conditions["rows"]), int(conditions["propagator_width"]))
        return {name: torch.randn(shape, dtype=torch.complex64, generator=generator) for name in ("psi", "functional")}


class SemCayley(SemPropagator):
    name = "sem_cayley"
    title = "Kerr phase and Cayley step of SEM on unit-RMS rows, beside a copy of those rows"
    switches = (*(where_computed(switch) for switch in SOLVER), WORK)
    stages = MappingProxyType({"step": ""})
    """The whole model: what is left out is the loss, which is none of the propagator's, and its gradient."""
    variants = MappingProxyType(
        {name: {**levels, "work": "computed"} for name, levels in SemPropagator.variants.items()}
    )

    def estimate(self, variant: Variant, conditions: Conditions, mode: str) -> Estimate:
        found = super().estimate(variant, conditions, mode)
        if computes(variant):
            return found
        rows, width = int(conditions["rows"]), int(conditions["propagator_width"])
        numbers, field = 2 * rows * width, 2 * estimate.itemsize(conditions) * rows * width
        copy = Cost(numbers, 2 * field)
        return replace(found, whole=trained(copy, field, numbers, 0, 0) if mode == "train_step" else copy)

    def build(
        self, variant: Variant, conditions: Conditions, seed: int, dtype: str = "float32", share: Any | None = None
    ) -> Any:
        from sem_impl.system.pieces_models import Beside

        return Beside(super().build(variant, conditions, seed, dtype, share), variant["work"])

    def read_probes(self, model: Any, batch: Batch) -> Mapping[str, float | str]:
        return super().read_probes(model.inner, batch)


SEM_KERR, SEM_CAYLEY = SemKerr(), SemCayley()
