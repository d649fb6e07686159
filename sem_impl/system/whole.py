"""`sem`: the whole model."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from harness.system import OPTIMISER as UPDATE
from harness.system import Batch, Condition, Conditions, Cost, Estimate, Order, Output, Variant
from sem_impl import costs, estimate
from sem_impl.sizes import INFERENCE, SIZES, TAPS, TRAINING, Dimensions
from sem_impl.system.common import DEVICES, EVOLUTION, ROUNDOFF, device_of, evolution
from sem_impl.system.counting import Counts
from sem_impl.system.learning import Learns
from sem_impl.system.needs import Needs
from sem_impl.system.readings import READINGS
from sem_impl.system.switches import ENCODER, HEAD, KERR_GAIN, MIXER, OPTIMISER, SOLVER
from sem_impl.system.update import update_of
from sem_impl.system.variants import VARIANTS


class Sem(Learns, Counts, Needs):
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
        Condition("radius_squared", 0.2, 1e-3, 100.0, doc="r^2 of a fresh encoder: the mean cost is twice as much"),
        Condition("sinkhorn_updates", 50, 0, 10_000, doc="of the transport's potential, at most"),
        Condition("vocabulary", 256, 256, 1_000_000, doc="V; the text itself has ids below 256"),
        *EVOLUTION,
    )
    sizes = MappingProxyType(SIZES)
    modes = ("forward", "prefill", "train_step", "decode", "train_update")
    updating = ("train_update",)
    devices = DEVICES
    variants = MappingProxyType(VARIANTS)
    stages = MappingProxyType({name: name for name in ("encoder", "mixer", "propagator", "head")})
    probes = READINGS
    native = MappingProxyType(
        {
            ("kernels", "fused"): ("cayley", "rows", "taps", "unitary"),
            ("scan", "fused"): ("scan",),
            ("sinkhorn", "fused"): ("sinkhorn",),
            ("loss", "chunked"): ("loss",),
        }
    )
    rounding = 190 * ROUNDOFF
    """A value passes some 20 operations in each of 8 mixer layers and 30 outside them, each rounding once. Derived for
    at most 8 mixer layers and one propagator layer, applied to any number: each mixer layer more would add 20, each
    propagator layer more multiply by KERR_GAIN, so deeper models are held to less than rounding may cost them."""
    gradient_slack = 2 * KERR_GAIN * 7
    """A gradient sums, over tokens, products of a forward value and an adjoint, both in error (2); the adjoint passes
    the Kerr phase's Jacobian once more than the output does (KERR_GAIN); the sum may cancel (7, our allowance)."""
    order = Order("tokens", 1, "logits", 1, leaks=lambda variant: variant["transport"] == "sequence")

    def estimate(self, variant: Variant, conditions: Conditions, mode: str) -> Estimate:
        estimate.refuse_undefined(variant, mode)
        d = Dimensions.of(conditions)
        item = estimate.itemsize(conditions)
        floors = costs.stages(variant, conditions, d, mode, item)
        if mode in self.updating:
            floors[UPDATE] = costs.optimiser(variant, d, item)
        return Estimate(
            flops=estimate.flops(variant, d, mode),
            parameter_bytes=estimate.parameter_bytes(variant, d, mode, item),
            activation_bytes=estimate.activation_bytes(variant, d, mode, item),
            stages={name: Cost(*work) for name, work in floors.items()},
        )

    def build(
        self, variant: Variant, conditions: Conditions, seed: int, dtype: str = "float32", share: Any | None = None
    ) -> Any:
        import torch

        from sem_impl.initial import Initial

        return self.made(Initial(seed, getattr(torch, dtype), share), variant, conditions).to(device_of(conditions))

    def made(self, initial: Any, variant: Variant, conditions: Conditions) -> Any:
        from sem_impl.model import Model

        updates = int(conditions["sinkhorn_updates"])
        settings = {"updates": updates, "radius_squared": float(conditions["radius_squared"]), **evolution(conditions)}
        model = Model(initial, Dimensions.of(conditions), variant, **settings)
        model.learning_rate = variant["learning_rate"]
        return model

    def batch(self, conditions: Conditions, seed: int, dtype: str = "float32") -> Batch:
        """tokens [B, S + 1]: inputs and, one further, targets. tail [L, B, 3, D] and state [L, B, D]: what decoding
        finds of the text before, CN(0, 1), of the order of the mixer's own; drawn in complex64 whatever the dtype."""
        import torch

        from sem_impl.text import windows

        d, device = Dimensions.of(conditions), device_of(conditions)
        tokens, facts = windows(d.batch_size, d.seq_len + 1, seed)
        generator = torch.Generator().manual_seed(seed)
        precision = torch.complex128 if dtype == "float64" else torch.complex64
        shapes = {
            "tail": (d.layers, d.batch_size, TAPS - 1, d.width),
            "state": (d.layers, d.batch_size, d.width),
        }
        carried = {
            name: torch.randn(shape, dtype=torch.complex64, generator=generator).to(device, precision)
            for name, shape in shapes.items()
        }
        return Batch({"tokens": tokens.to(device), **carried}, facts)

    def run(self, model: Any, batch: Batch, mode: str) -> Output:
        """prefill answers for the last position, decode for the last token alone, after a text of S - 1 tokens that it
        knows from the batch; both hand out what the text carries on."""
        import torch

        inputs, targets = batch.inputs["tokens"][:, :-1], batch.inputs["tokens"][:, 1:]
        if model.training == (mode in INFERENCE):
            model.train(mode not in INFERENCE)
        if mode in TRAINING:
            loss = model(inputs, targets).result
            return Output({}, loss, update_of(model, model.learning_rate) if mode in self.updating else None)
        with torch.no_grad():
            if mode == "forward":
                return Output({"logits": model(inputs).result})
            if mode == "prefill":
                return Output(answered(model(inputs, last=True)))
            return Output(answered(model(inputs[:, -1:], state=before_last(batch))))

    def read_probes(self, model: Any, batch: Batch) -> Mapping[str, float | str]:
        from sem_impl.probing import read

        return read(model, batch.inputs["tokens"][:, :-1])


def before_last(batch: Batch) -> Any:
    from sem_impl.mixer import Carried
    from sem_impl.model import State

    layers = zip(batch.inputs["tail"], batch.inputs["state"], strict=True)
    return State(batch.inputs["tokens"].shape[1] - 2, [Carried(*layer) for layer in layers])


def answered(predicted: Any) -> dict[str, Any]:
    layers = {
        f"layers.{number}.{name}": tensor
        for number, layer in enumerate(predicted.state.layers)
        for name, tensor in layer._asdict().items()
    }
    return {"logits": predicted.result, **layers}


SEM = Sem()
