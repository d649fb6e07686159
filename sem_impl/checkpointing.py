"""switch `checkpointing`: what the mixer keeps for its backward pass. Source: topology report 6 ("30 % memory").

none      everything its layers save
every_k   the input of every second layer (k = 2), and what the text carries into it; all layers run once more in the
          backward pass, two at a time. Numbers and gradients are the same to the last bit: the same operations on the
          same numbers. Without gradients nothing is kept in any case, and the two are one.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

K = 2

Segment = Callable[..., tuple[Tensor, list[Any]]]
"""(layers, psi, carried) -> psi, what each layer leaves."""


def straight(layers: Sequence[nn.Module], psi: Tensor, carried: Sequence[Any]) -> tuple[Tensor, list[Any]]:
    after = []
    for layer, before in zip(layers, carried, strict=True):
        psi, left = layer(psi, before)
        after.append(left)
    return psi, after


def every_k(layers: Sequence[nn.Module], psi: Tensor, carried: Sequence[Any]) -> tuple[Tensor, list[Any]]:
    if not torch.is_grad_enabled():
        return straight(layers, psi, carried)
    after = []
    for first in range(0, len(layers), K):
        segment = layers[first : first + K], psi, carried[first : first + K]
        psi, left = checkpoint(straight, *segment, use_reentrant=False, preserve_rng_state=False)
        after += left
    return psi, after


CHECKPOINTINGS = {"none": straight, "every_k": every_k}
