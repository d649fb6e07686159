"""`sem`: the whole model."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from harness.system import Batch, Condition, Conditions, Cost, Estimate, Order, Output, Variant
from sem_impl import costs, estimate
from sem_impl.sizes import SIZES, Dimensions
from sem_impl.system.common import DEVICES, EVOLUTION, ROUNDOFF, device_of, evolution
from sem_impl.system.readings import READINGS
from sem_impl.system.switches import ENCODER, HEAD, KERR_GAIN, MIXER, OPTIMISER, SOLVER
from sem_impl.system.variants import VARIANTS


class Sem:
    name = "sem"
    title = "SEM V5.5, the whole model"
    switches = (*ENCODER, *MIXER, *SOLVER, *HEAD, *OPTIMISER)
    conditions = (
        Condition("batch_size", 2, 1, 4096, "rows"),
        Condition("seq_len", 32, 1, 65_536, "tokens"),
        Condition("width", 64, 8, 16_384, doc="D"),
        Condition("propagator_width", 256, 129, 65_536, doc="P; above 128, else offset 64 is its own mirror"),
        Condition("layers", 2, 1, 128, doc="L, of the mixer"),
        Condition("groups", 4, 1, 1024, doc="G, of the mixer's state"),
        Condition("candidates", 32, 2, 8192, doc="K, of the transport"),
        Condition("kept", 16, 1, 8192, doc="M, transport entries kept per token"),
        Condition("sinkhorn_updates", 50, 0, 10_000, doc="of the transport's potential, at most"),
        Condition("vocabulary", 256, 256, 1_000_000, doc="V; the text itself has ids below 256"),
        *EVOLUTION,
    )
    sizes = MappingProxyType(SIZES)
    modes = ("forward", "prefill", "train_step", "decode")
    devices = DEVICES
    variants = MappingProxyType(VARIANTS)
    stages = MappingProxyType({name: name for name in ("encoder", "mixer", "propagator", "head")})
    probes = READINGS
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
        updates = int(conditions["sinkhorn_updates"])
        model = Model(initial, Dimensions.of(conditions), variant, updates=updates, **evolution(conditions))
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
        from sem_impl.probing import read

        return read(model, batch.inputs["tokens"][:, :-1])


SEM = Sem()
