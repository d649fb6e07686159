"""The loss of rows R [n, 2P] for targets [n], logits R W^T + b, by torch's `linear_cross_entropy` (torch 2.13 has it).

linear_cross_entropy           as it comes: all logits at once
linear_cross_entropy_chunked   in pieces of tokens, as many as it takes by itself (`LinearCrossEntropyOptions()`)
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

Entropy = Callable[..., Tensor]


def lacking() -> str:
    """Empty where this torch has it."""
    found = hasattr(functional, "linear_cross_entropy")
    return "" if found else f"torch {torch.__version__} has no linear_cross_entropy; 2.13 has"


def linear_cross_entropy() -> Entropy:
    return functional.linear_cross_entropy


def linear_cross_entropy_chunked() -> Entropy:
    return partial(linear_cross_entropy(), options=torch.nn.LinearCrossEntropyOptions())


LOSSES = {
    "linear_cross_entropy": linear_cross_entropy,
    "linear_cross_entropy_chunked": linear_cross_entropy_chunked,
}
