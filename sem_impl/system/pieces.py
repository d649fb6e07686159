"""Single pieces of the model as systems of their own, so that one suite can hold a kernel against the other levels of
its switch, against peers, and against the floor, in the same trials.

    sem_scan       the mixer's recurrence              `pieces_mixer`
    sem_norm       its normalisation                   `pieces_mixer`
    sem_sinkhorn   the encoder's transport plan        `pieces_encoder`
    sem_kerr       the propagator's phase              `pieces_propagator`
    sem_cayley     the propagator, beside a copy       `pieces_propagator`
    sem_loss       the head with its loss              `pieces_head`

A piece reads one tensor of the batch and makes one. What else it reads are parameters, so that the guard over gradients
sees them; the batch's tensor is a leaf of its own in a training step, so that its gradient is formed as inside a model.
The loss is the mean of Re (conj(w) made), w a fixed random tensor of the batch, in one pass each way.

The switch `work` has a second level that does not do the piece's work: it moves the bytes that any implementation must
move (`copied`), and so puts the floor of memory into the same trial as what is compared with it.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from harness.system import Batch, Conditions, Cost, Estimate, Output, Switch, Variant
from sem_impl import estimate
from sem_impl.system.common import DEVICES, device_of
from sem_impl.system.needs import Needs

WORK = Switch(
    name="work",
    levels=("computed", "copied"),
    kind="different",
    source="ours",
    doc="what the piece is for, or nothing but its input read once and its output written once",
)


def computes(variant: Variant) -> bool:
    return variant["work"] == "computed"


def where_computed(switch: Switch, **changes: Any) -> Switch:
    """A switch of the model in a piece that has `work`: a copy does not read it."""
    return replace(switch, applies=lambda variant: computes(variant) and switch.applies(variant), **changes)


def named(switches: tuple[Switch, ...], name: str) -> Switch:
    return next(switch for switch in switches if switch.name == name)


class Piece(Needs):
    """What the pieces share. A subclass says what is drawn, what is built and what it costs; `given` and `made` name
    the tensor it reads and the one it makes."""

    modes = ("forward", "train_step")
    devices = DEVICES
    stages: Mapping[str, str] = MappingProxyType({})
    probes = ()
    given = "given"
    made = "made"

    def cost(self, variant: Variant, conditions: Conditions, training: bool, item: int) -> Cost:
        raise NotImplementedError

    def parameters(self, variant: Variant, conditions: Conditions) -> int:
        raise NotImplementedError

    def kept(self, conditions: Conditions) -> int:
        """Numbers of the largest tensor."""
        raise NotImplementedError

    def made_by(self, initial: Any, variant: Variant, conditions: Conditions) -> Any:
        """A module: the batch's tensor -> what the piece makes of it."""
        raise NotImplementedError

    def drawn(self, conditions: Conditions, generator: Any) -> dict[str, Any]:
        """`given` and the loss's `functional`, in float32 or complex64 whatever the dtype."""
        raise NotImplementedError

    def estimate(self, variant: Variant, conditions: Conditions, mode: str) -> Estimate:
        training, item = mode == "train_step", estimate.itemsize(conditions)
        whole = self.cost(variant, conditions, training, item)
        return Estimate(
            flops=whole.flops + whole.backward_flops,
            parameter_bytes=item * self.parameters(variant, conditions),
            activation_bytes=(8 if training else 4) * item * self.kept(conditions),
            whole=whole,
        )

    def build(
        self, variant: Variant, conditions: Conditions, seed: int, dtype: str = "float32", share: Any | None = None
    ) -> Any:
        import torch

        from sem_impl.initial import Initial

        initial = Initial(seed, getattr(torch, dtype), share)
        return self.made_by(initial, variant, conditions).to(device_of(conditions))

    def batch(self, conditions: Conditions, seed: int, dtype: str = "float32") -> Batch:
        import torch

        drawn = self.drawn(conditions, torch.Generator().manual_seed(seed))
        reals = {torch.float32: torch.float64, torch.complex64: torch.complex128}
        to = reals if dtype == "float64" else {}
        device = device_of(conditions)
        inputs = {name: tensor.to(device, to.get(tensor.dtype, tensor.dtype)) for name, tensor in drawn.items()}
        return Batch(inputs, {"dataset": "random numbers"})

    def run(self, model: Any, batch: Batch, mode: str) -> Output:
        import torch

        given = batch.inputs[self.given]
        if mode == "train_step":
            from sem_impl.system.pieces_models import Functional

            made = model(given.detach().requires_grad_())
            return Output({self.made: made}, loss=Functional.apply(made, batch.inputs["functional"]))
        with torch.no_grad():
            return Output({self.made: model(given)})

    def read_probes(self, model: Any, batch: Batch) -> Mapping[str, float | str]:  # noqa: ARG002 - none to read
        return {}


def trained(forward: Cost, field: float, numbers: float, backward_flops: float, backward_bytes: float) -> Cost:
    """With the loss of so many real numbers: 2 FLOPs each and w, `field` bytes, read once; in the adjoint
    1 FLOP, and w read once more."""
    return Cost(
        forward.flops + 2 * numbers,
        forward.minimum_bytes + field,
        backward_flops + numbers,
        backward_bytes + field,
    )
