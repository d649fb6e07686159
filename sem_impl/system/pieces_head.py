"""`sem_loss` and `sem_born_loss`: a head with its loss alone.

Precision: a product's rounding errors add like a random walk, against a sum that grows like one; 20 roundings hold the
norm of the row, the product and the logarithm, times the head's gain (`switches`). Gradients as of the whole model,
without its propagator: 2 for a product of two numbers in error, 7 for sums that cancel.
"""

from types import MappingProxyType
from typing import Any

from harness.system import Batch, Condition, Conditions, Cost, Order, Output, Switch, Variant
from sem_impl import costs, estimate
from sem_impl.sizes import Dimensions
from sem_impl.system.common import ROUNDOFF
from sem_impl.system.pieces import Piece, computes, named, where_computed
from sem_impl.system.switches import BORN_GAIN, HEAD
from sem_impl.system.variants import BEFORE

WORK = Switch(
    name="work",
    levels=("computed", "product"),
    kind="different",
    source="ours",
    doc="logits or loss, or nothing but the matrix products that either needs: one, in training three",
)


class SemLoss(Piece):
    """One head: two share no parameter, so there is nothing to switch between."""

    def __init__(self, name: str, head: str, gain: float) -> None:
        self.name, self.head = name, head
        self.title = f"The head {head} of SEM and its loss alone: rows times a vocabulary"
        self.rounding = 20 * gain * ROUNDOFF
        self.gradient_slack = 14 * gain

    switches = (where_computed(named(HEAD, "loss")), WORK)
    conditions = (
        Condition("rows", 512, 1, 1_000_000, doc="B S"),
        Condition("propagator_width", 2048, 1, 65_536, doc="P"),
        Condition("vocabulary", 50_262, 2, 1_000_000, doc="V"),
    )
    sizes = MappingProxyType(
        {
            "tiny": {"rows": 37, "propagator_width": 24, "vocabulary": 101},
            "small": {"rows": 512, "propagator_width": 512, "vocabulary": 8192},
            "document": {"rows": 512, "propagator_width": 2048, "vocabulary": 50_262},
        }
    )
    variants = MappingProxyType(
        {
            "status_quo": {"loss": BEFORE["loss"], "work": "computed"},
            "all_on": {"loss": "chunked", "work": "computed"},
        }
    )
    order = Order("psi", 0, "logits", 0)
    given, made = "psi", "logits"
    native = MappingProxyType({("loss", "chunked"): ("loss",)})

    def cost(self, variant: Variant, conditions: Conditions, training: bool, item: int) -> Cost:
        """The head's of `costs`; of `product` the products alone, which read W once in each pass."""
        d, rows = dimensions(conditions), int(conditions["rows"])
        wide, held = 2 * item * rows * d.propagator_width, item * self.parameters(variant, conditions)
        made = item if training else item * rows * d.vocabulary
        asked = wide + (costs.TOKEN_BYTES * rows if training else 0)
        both = costs.head({"head": self.head}, d, training).times(rows)
        if not computes(variant):
            products = (8 if self.head == "born_quadratic" else 4) * rows * d.propagator_width * d.vocabulary
            both = costs.Flops(products, 2 * products)
        if training and variant["loss"] == "chunked" and computes(variant):
            return Cost(sum(both), asked + 2 * held + item + wide)
        if training:
            return Cost(both.forward, asked + held + made, both.backward, asked + made + 2 * held + wide)
        return Cost(both.forward, asked + held + made)

    def parameters(self, variant: Variant, conditions: Conditions) -> int:  # noqa: ARG002 - one signature
        return estimate.head_parameters({"head": self.head}, dimensions(conditions))

    def kept(self, conditions: Conditions) -> int:
        rows, P, V = (int(conditions[name]) for name in ("rows", "propagator_width", "vocabulary"))
        return rows * (2 * P + V) + V * P

    def made_by(self, initial: Any, variant: Variant, conditions: Conditions) -> Any:
        from sem_impl.system.pieces_models import HeadLoss

        d = dimensions(conditions)
        return HeadLoss(initial, d.propagator_width, d.vocabulary, head=self.head, **variant)

    def drawn(self, conditions: Conditions, generator: Any) -> dict[str, Any]:
        import torch

        rows, P, V = (int(conditions[name]) for name in ("rows", "propagator_width", "vocabulary"))
        return {
            "psi": torch.randn(rows, P, dtype=torch.complex64, generator=generator),
            "targets": torch.randint(V, (rows,), generator=generator),
        }

    def run(self, model: Any, batch: Batch, mode: str) -> Output:
        if mode != "train_step":
            return super().run(model, batch, mode)
        return Output({}, loss=model(batch.inputs["psi"].detach().requires_grad_(), batch.inputs["targets"]))


def dimensions(conditions: Conditions) -> Dimensions:
    """What formulas of the head read; the rest as small as it can be."""
    small = dict.fromkeys(Dimensions.__dataclass_fields__, 1) | {"width": 8}
    read = {name: int(conditions[name]) for name in ("propagator_width", "vocabulary")}
    return Dimensions(**(small | read))


SEM_LOSS = SemLoss("sem_loss", "log_linear", 1.0)
SEM_BORN_LOSS = SemLoss("sem_born_loss", "born_quadratic", BORN_GAIN)
