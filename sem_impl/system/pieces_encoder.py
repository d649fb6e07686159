"""`sem_sinkhorn`: the transport plan of the encoder alone, on costs that are given."""

from types import MappingProxyType
from typing import Any

from harness.system import Condition, Conditions, Cost, Order, Switch, Variant
from sem_impl.sizes import EMBEDDED
from sem_impl.system.common import ROUNDOFF
from sem_impl.system.pieces import WORK, Piece, computes, named, trained, where_computed
from sem_impl.system.switches import ENCODER
from sem_impl.system.variants import AFTER, BEFORE

SINKHORN = named(ENCODER, "sinkhorn")


def alone(switch: Switch, extra: tuple[str, ...], doc: str) -> Switch:
    """The encoder's switch, whose `applies` asks for another switch that a piece has not."""
    return where_computed(
        Switch(
            name=switch.name,
            levels=(*extra, *switch.levels),
            kind=switch.kind,
            source=switch.source,
            doc=f"{doc}; {switch.doc}",
            oracle=switch.oracle,
        )
    )


class SemSinkhorn(Piece):
    name = "sem_sinkhorn"
    title = "Sinkhorn of SEM alone: balanced columns of a transport plan, after so many updates"
    switches = (
        alone(SINKHORN, ("logsumexp",), "the log domain by torch's logsumexp, rows then columns, on autograd's tape"),
        WORK,
    )
    conditions = (
        Condition("batch_size", 1, 1, 4096, doc="B, each row with a plan of its own"),
        Condition("seq_len", 512, 1, 65_536, "positions", "S"),
        Condition("candidates", 128, 2, 8192, doc="K"),
        Condition("updates", 50, 0, 10_000, doc="of the potential: exactly so many, whatever the marginal error"),
        Condition("epsilon", 0.05, 1e-3, 10.0, doc="costs are |x - y|^2 / epsilon nats, |x|^2 = |y|^2 = 0.2"),
    )
    sizes = MappingProxyType(
        {
            "tiny": {"batch_size": 3, "seq_len": 37, "candidates": 12, "updates": 20},
            "document": {"batch_size": 1, "seq_len": 512, "candidates": 128, "updates": 50},
        }
    )
    variants = MappingProxyType(
        {
            "status_quo": {"sinkhorn": BEFORE["sinkhorn"], "work": "computed"},
            "all_on": {"sinkhorn": AFTER["sinkhorn"], "work": "computed"},
        }
    )
    rounding = 50 * ROUNDOFF
    """Costs of some nats enter exponentials, so an entry is off by as many roundings, a potential by the mean of many;
    an update forgets what was wrong before it."""
    gradient_slack = 200.0
    """A solve with the plan's K x K matrix multiplies errors by its condition, 1/(1 - q): q, by which an update shrinks
    the marginal error, is below 0.99 wherever 50 updates come near to balance; and two products beside it."""
    order = Order("costs", 0, "log_plan", 0)
    given, made = "costs", "log_plan"
    native = MappingProxyType({("sinkhorn", "fused"): ("sinkhorn",)})

    def cost(self, variant: Variant, conditions: Conditions, training: bool, item: int) -> Cost:
        """Per entry: the prior 1, one exponential, two multiply-adds in every update, and log t 2. Adjoint: one
        exponential, T'T, two products with vectors, 4; the solve 2/3 K^3 for a batch row. Costs and prior read, log t
        written; in the adjoint log t read and both gradients written."""
        rows, K = int(conditions["batch_size"]), int(conditions["candidates"])
        count, prior = rows * int(conditions["seq_len"]) * K, int(conditions["seq_len"]) * K
        each = 13 + 4 * int(conditions["updates"]) if computes(variant) else 1
        forward = Cost(each * count, item * (2 * count + prior))
        if not training:
            return forward
        adjoint = (
            ((2 * K + 18) * count + rows * 2 / 3 * K**3, item * (2 * count + prior)) if computes(variant) else (0, 0)
        )
        return trained(forward, item * count, count, *adjoint)

    def parameters(self, variant: Variant, conditions: Conditions) -> int:  # noqa: ARG002 - one signature
        return int(conditions["seq_len"]) * int(conditions["candidates"])

    def kept(self, conditions: Conditions) -> int:
        return int(conditions["batch_size"]) * int(conditions["seq_len"]) * int(conditions["candidates"])

    def made_by(self, initial: Any, variant: Variant, conditions: Conditions) -> Any:
        from sem_impl.system.pieces_models import Sinkhorn

        shape = (int(conditions["seq_len"]), int(conditions["candidates"]))
        return Sinkhorn(initial, shape, variant["sinkhorn"], int(conditions["updates"]), variant["work"])

    def drawn(self, conditions: Conditions, generator: Any) -> dict[str, Any]:
        """Points and codes uniform on a sphere of the encoder's radius, as a fresh encoder has them."""
        import torch
        from torch.nn.functional import normalize

        from sem_impl.encoder import RADIUS_SQUARED

        B, S, K = (int(conditions[name]) for name in ("batch_size", "seq_len", "candidates"))
        point = normalize(torch.randn(B, S, EMBEDDED, generator=generator), dim=-1)
        codes = normalize(torch.randn(K, EMBEDDED, generator=generator), dim=-1)
        costs = 2 * RADIUS_SQUARED * (1 - point @ codes.T) / float(conditions["epsilon"])
        return {"costs": costs, "functional": torch.randn(B, S, K, generator=generator)}


SEM_SINKHORN = SemSinkhorn()
