"""The pieces with peers among the levels of their switches."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.system import Batch, Conditions, Estimate, Output, Switch, Variant
from sem_impl.peers import installed
from sem_impl.system.common import device_of, evolution
from sem_impl.system.pieces_encoder import SemSinkhorn
from sem_impl.system.pieces_head import SemLoss
from sem_impl.system.pieces_mixer import SemScan
from sem_impl.system.pieces_propagator import SemCayley
from sem_impl.system.switches import SOLVER

SCANS = ("jax_scan", "jax_associative_scan", "mambapy")
TRANSPORTS = ("pot", "ott", "ott_kernel")
SOLVES = ("scipy_splu", "scipy_gmres", "lineax_bicgstab")
LOSSES = ("linear_cross_entropy", "linear_cross_entropy_chunked")


def joined(switches: tuple[Switch, ...], name: str, peers: tuple[str, ...]) -> tuple[Switch, ...]:
    """With peers behind the levels of one switch; the others of a piece that only ours read do not apply to them."""
    return tuple(
        replace(switch, levels=(*switch.levels, *peers), doc=f"{switch.doc}; peers: {', '.join(peers)}")
        if switch.name == name
        else switch
        for switch in switches
    )


class Peers:
    """For a piece with peers among the levels of `switch`."""

    switch = ""
    peers: tuple[str, ...] = ()

    def unavailable(self, variant: Variant, conditions: Conditions, mode: str) -> str | None:
        return self.lacking(variant[self.switch]) or super().unavailable(variant, conditions, mode)  # type: ignore[misc]

    def lacking(self, level: str) -> str:
        return installed.lacking(level)


class ForwardOnly(Peers):
    """Where peers give no gradient, or not ours."""

    def refuse(self, variant: Variant, mode: str) -> None:
        if mode == "train_step" and variant[self.switch] in self.peers:
            raise ValueError(f"{self.switch} {variant[self.switch]} has no train_step here; mode forward would do")

    def estimate(self, variant: Variant, conditions: Conditions, mode: str) -> Estimate:
        self.refuse(variant, mode)
        return super().estimate(variant, conditions, mode)  # type: ignore[misc]

    def run(self, model: Any, batch: Batch, mode: str) -> Output:
        self.refuse({self.switch: getattr(model, "peer", "")}, mode)
        return super().run(model, batch, mode)  # type: ignore[misc]


class PeerScan(Peers, SemScan):
    title = "The scan of SEM alone, and those of JAX and mambapy"
    switches = joined(SemScan.switches, "scan", SCANS)
    switch, peers = "scan", SCANS

    def made_by(self, initial: Any, variant: Variant, conditions: Conditions) -> Any:
        if variant["scan"] not in SCANS:
            return super().made_by(initial, variant, conditions)
        from sem_impl.peers import scans
        from sem_impl.system.pieces_mixer import shape_of
        from sem_impl.system.pieces_models import Scan

        return Scan(initial, shape_of(conditions), scans.SCANS[variant["scan"]](), variant["work"])


class PeerSinkhorn(ForwardOnly, SemSinkhorn):
    title = "Sinkhorn of SEM alone, and those of POT and OTT-JAX, after equally many updates"
    switches = joined(SemSinkhorn.switches, "sinkhorn", TRANSPORTS)
    switch, peers = "sinkhorn", TRANSPORTS

    def made_by(self, initial: Any, variant: Variant, conditions: Conditions) -> Any:
        if variant["sinkhorn"] not in TRANSPORTS:
            return super().made_by(initial, variant, conditions)
        from sem_impl.peers.models import PeerSinkhorn as Model

        shape = (int(conditions["seq_len"]), int(conditions["candidates"]))
        model = Model(initial, shape, variant["sinkhorn"], int(conditions["updates"]), variant["work"])
        model.peer = variant["sinkhorn"]
        return model


def ours(variant: Variant) -> bool:
    return variant["method"] not in SOLVES


def ours_alone(switch: Switch) -> Switch:
    """What only our solvers read. The tolerance is not of these: peers solve to 1e-6 as `fixed` does."""
    if switch.name not in ("matrix", "preconditioner"):
        return switch
    return replace(switch, applies=lambda variant: ours(variant) and switch.applies(variant))


class PeerCayley(ForwardOnly, SemCayley):
    title = "Kerr phase and Cayley step of SEM, and the solvers of scipy and lineax"
    switches = joined(tuple(ours_alone(switch) for switch in SemCayley.switches), "method", SOLVES)
    switch, peers = "method", SOLVES

    def estimate(self, variant: Variant, conditions: Conditions, mode: str) -> Estimate:
        """Of a peer as of cocg: what its own arithmetic costs is not ours to say."""
        self.refuse(variant, mode)
        return SemCayley.estimate(self, variant if ours(variant) else {**variant, "method": "cocg"}, conditions, mode)

    def build(
        self, variant: Variant, conditions: Conditions, seed: int, dtype: str = "float32", share: Any | None = None
    ) -> Any:
        if ours(variant):
            return super().build(variant, conditions, seed, dtype, share)
        import torch

        from sem_impl.initial import Initial
        from sem_impl.peers.models import PeerPropagator
        from sem_impl.system.pieces_models import Beside

        alone = PeerPropagator(
            Initial(seed, getattr(torch, dtype), share),
            layers=int(conditions["propagator_layers"]),
            P=int(conditions["propagator_width"]),
            **{switch.name: variant[switch.name] for switch in SOLVER},
            **evolution(conditions),
        )
        model = Beside(alone.to(device_of(conditions)), variant["work"])
        model.peer = variant["method"]
        return model

    def read_probes(self, model: Any, batch: Batch) -> Mapping[str, float | str]:
        """Of a peer nothing is known but what it made."""
        if not hasattr(model, "peer"):
            return super().read_probes(model, batch)
        return {}


class PeerLoss(Peers, SemLoss):
    switches = joined(SemLoss.switches, "loss", LOSSES)
    switch, peers = "loss", LOSSES

    def lacking(self, level: str) -> str:
        from sem_impl.peers import losses

        return losses.lacking() if level in self.peers else ""

    def made_by(self, initial: Any, variant: Variant, conditions: Conditions) -> Any:
        if variant["loss"] not in LOSSES:
            return super().made_by(initial, variant, conditions)
        from sem_impl.peers.models import PeerLoss as Model

        sizes = (int(conditions["propagator_width"]), int(conditions["vocabulary"]))
        return Model(initial, *sizes, head=self.head, **variant)


SCAN = PeerScan()
SINKHORN = PeerSinkhorn()
CAYLEY = PeerCayley()
LOSS = PeerLoss("sem_loss", "log_linear", 1.0)
