"""`sem_scan` and `sem_norm`: the recurrence and the normalisation of the mixer alone."""

from types import MappingProxyType
from typing import Any

from harness.system import Condition, Conditions, Cost, Order, Switch, Variant
from sem_impl import costs, estimate
from sem_impl.system.common import ROUNDOFF
from sem_impl.system.pieces import WORK, Piece, computes, named, trained, where_computed
from sem_impl.system.switches import MIXER
from sem_impl.system.variants import AFTER, BEFORE

SCAN = named(MIXER, "scan")


def shape_of(conditions: Conditions) -> tuple[int, int, int]:
    batch, length, channels = (int(conditions[name]) for name in ("batch_size", "seq_len", "channels"))
    return batch, length, channels


class SemScan(Piece):
    name = "sem_scan"
    title = "The scan of SEM alone: a complex linear recurrence with data-dependent transitions"
    switches = (
        where_computed(
            SCAN,
            levels=("indexed", "taped", *SCAN.levels),
            doc=f"a loop on autograd's tape, with an index for every position or without; {SCAN.doc}",
        ),
        WORK,
    )
    conditions = (
        Condition("batch_size", 4, 1, 4096, doc="B"),
        Condition("seq_len", 512, 1, 65_536, "positions", "S"),
        Condition("channels", 512, 1, 65_536, doc="H"),
    )
    sizes = MappingProxyType(
        {
            "tiny": {"batch_size": 2, "seq_len": 37, "channels": 24},
            "document": {"batch_size": 4, "seq_len": 512, "channels": 512},
        }
    )
    variants = MappingProxyType(
        {
            "status_quo": {"scan": BEFORE["scan"], "work": "computed"},
            "all_on": {"scan": AFTER["scan"], "work": "computed"},
        }
    )
    rounding = 120 * ROUNDOFF
    """A state remembers tau = S/3 positions, each of which added 3 roundings of its own size; they add like a random
    walk, 3 sqrt(tau/2): 28 at S 512, 110 at S 8192. Products of A over a chunk or a tree stay below that."""
    gradient_slack = 4.0
    """dL/dA is a product of a state and an adjoint, both in error (2), formed from an output that already is."""
    order = Order("u", 1, "states", 1)
    given, made = "u", "states"
    native = MappingProxyType({("scan", "fused"): ("scan",)})

    def cost(self, variant: Variant, conditions: Conditions, training: bool, item: int) -> Cost:
        """Per entry one complex multiply-add; the adjoint another, and the product dL/dA (6). A, u read and h written;
        in the adjoint A and h read, dL/dA and dL/du written, h_0 and its gradient too few to count."""
        batch, length, channels = shape_of(conditions)
        count = batch * length * channels
        field = 2 * item * count
        forward, adjoint = Cost(8 * count, 3 * field), (14 * count, 4 * field)
        if not computes(variant):
            forward, adjoint = Cost(2 * count, 3 * field), (0, 0)
        return trained(forward, field, 2 * count, *adjoint) if training else forward

    def parameters(self, variant: Variant, conditions: Conditions) -> int:  # noqa: ARG002 - one signature
        batch, length, channels = shape_of(conditions)
        return 2 * batch * channels * (length + 1)

    def kept(self, conditions: Conditions) -> int:
        batch, length, channels = shape_of(conditions)
        return 2 * batch * length * channels

    def made_by(self, initial: Any, variant: Variant, conditions: Conditions) -> Any:
        from sem_impl.system.pieces_models import SCAN_LEVELS, Scan

        return Scan(initial, shape_of(conditions), SCAN_LEVELS[variant["scan"]], variant["work"])

    def drawn(self, conditions: Conditions, generator: Any) -> dict[str, Any]:
        import torch

        return {
            name: torch.randn(shape_of(conditions), dtype=torch.complex64, generator=generator)
            for name in ("u", "functional")
        }


NORM = named(MIXER, "norm")


FUSED = Switch(
    name="kernels",
    levels=("eager", "fused"),
    kind="exact",
    source="ours",
    doc="complex_rms by torch's operators, or by one native kernel each way",
    oracle="eager",
    applies=lambda variant: computes(variant) and variant["norm"] == "complex_rms",
)


class SemNorm(Piece):
    name = "sem_norm"
    title = "The norm of SEM alone: rows of complex numbers to mean square 1"
    switches = (where_computed(NORM), FUSED, WORK)
    conditions = (
        Condition("rows", 2048, 1, 1_000_000, doc="B S"),
        Condition("width", 512, 1, 65_536, doc="D"),
    )
    sizes = MappingProxyType({"tiny": {"rows": 37, "width": 24}, "document": {"rows": 2048, "width": 512}})
    variants = MappingProxyType(
        {
            "status_quo": {"norm": BEFORE["norm"], "kernels": "eager", "work": "computed"},
            "all_on": {"norm": AFTER["norm"], "kernels": "fused", "work": "computed"},
        }
    )
    rounding = 20 * ROUNDOFF
    """The sums of squares and their root round some 10 times in blocks, every entry 4 times."""
    gradient_slack = 8.0
    """The adjoint takes off the part along the row, formed by one more sum, and the parameters' gradients sum over
    rows (2 each, and 2 our allowance)."""
    order = Order("z", 0, "normed", 0)
    given, made = "z", "normed"
    native = MappingProxyType({("kernels", "fused"): ("rows",)})

    def cost(self, variant: Variant, conditions: Conditions, training: bool, item: int) -> Cost:
        count = int(conditions["rows"]) * int(conditions["width"])
        field, flops = 2 * item * count, costs.NORM[variant["norm"]] * count
        forward, adjoint = Cost(flops, 2 * field), (flops, 2 * field)
        if not computes(variant):
            forward, adjoint = Cost(2 * count, 2 * field), (0, 0)
        return trained(forward, field, 2 * count, *adjoint) if training else forward

    def parameters(self, variant: Variant, conditions: Conditions) -> int:  # noqa: ARG002 - one signature
        """Of every norm: a model holds them all and runs one."""
        return sum(estimate.NORM.values()) * int(conditions["width"])

    def kept(self, conditions: Conditions) -> int:
        return 2 * int(conditions["rows"]) * int(conditions["width"])

    def made_by(self, initial: Any, variant: Variant, conditions: Conditions) -> Any:
        from sem_impl.system.pieces_models import Norm

        return Norm(initial, int(conditions["width"]), **variant)

    def drawn(self, conditions: Conditions, generator: Any) -> dict[str, Any]:
        import torch

        shape = (int(conditions["rows"]), int(conditions["width"]))
        return {name: torch.randn(shape, dtype=torch.complex64, generator=generator) for name in ("z", "functional")}


SEM_SCAN, SEM_NORM = SemScan(), SemNorm()
