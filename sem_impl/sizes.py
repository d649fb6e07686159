"""The named sizes and every number a model is built from. No torch: plans are made from these alone.

B batch_size, S seq_len, D width, P propagator_width, L layers, G groups, N = D/G states and inputs per group,
K candidates, M kept, V vocabulary. Source: the topology report, section 2.1; `tiny`, `small` and `wide` are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SIZES: dict[str, dict[str, int | float]] = {
    "tiny": {
        "batch_size": 2,
        "seq_len": 32,
        "width": 64,
        "propagator_width": 256,
        "layers": 2,
        "groups": 4,
        "candidates": 32,
        "kept": 16,
        "vocabulary": 256,
    },
    "small": {
        "batch_size": 1,
        "seq_len": 256,
        "width": 128,
        "propagator_width": 512,
        "layers": 4,
        "groups": 4,
        "candidates": 64,
        "kept": 32,
        "vocabulary": 4096,
    },
    "wide": {
        "batch_size": 1,
        "seq_len": 128,
        "width": 512,
        "propagator_width": 2048,
        "layers": 1,
        "groups": 8,
        "candidates": 128,
        "kept": 64,
        "vocabulary": 256,
    },
    "document": {
        "batch_size": 32,
        "seq_len": 512,
        "width": 512,
        "propagator_width": 2048,
        "layers": 8,
        "groups": 8,
        "candidates": 128,
        "kept": 64,
        "vocabulary": 50262,
    },
}

EMBEDDED = 64
"""Dimension of the space tokens are transported in."""
BLOCK = 8
"""Width of a block of the unitary gate."""
TAPS = 4
TRAINING = ("train_step", "train_update")
"""Modes with a backward pass; `train_update` has an update as well."""
INFERENCE = ("prefill", "decode")
"""Modes that answer a prompt: the tolerance of the propagator is that of a finished training."""
OFFSETS = (1, 8, 64)
"""Of the propagator's edges: one a scale."""


@dataclass(frozen=True)
class Dimensions:
    batch_size: int
    seq_len: int
    width: int
    propagator_width: int
    layers: int
    groups: int
    candidates: int
    kept: int
    vocabulary: int
    propagator_layers: int

    @property
    def states(self) -> int:
        return self.width // self.groups

    @classmethod
    def of(cls, conditions: Mapping[str, Any]) -> "Dimensions":
        """Read from conditions and checked together."""
        found = cls(**{name: int(conditions[name]) for name in cls.__dataclass_fields__})
        if found.width % found.groups or found.width % BLOCK:
            raise ValueError(f"width {found.width} must be a multiple of groups ({found.groups}) and of {BLOCK}")
        if found.kept > found.candidates:
            raise ValueError(f"kept {found.kept} must not exceed candidates {found.candidates}")
        return found
