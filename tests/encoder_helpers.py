"""Small encoders, every token at every position, and the levels they are tried at."""

from dataclasses import replace

import pytest
import torch

from sem_impl.encoder import EPSILONS, Encoder
from sem_impl.initial import Initial
from sem_impl.sizes import SIZES, Dimensions

TINY = Dimensions.of({**SIZES["tiny"], "propagator_layers": 1})
WIDE = replace(TINY, candidates=128, width=512, propagator_width=2048)
transports = pytest.mark.parametrize("transport", ["sequence", "causal"])
epsilons = pytest.mark.parametrize("epsilon", EPSILONS)


def encoder(transport="causal", epsilon="dimension", sinkhorn="dense", sizes=TINY, dtype=torch.float32):
    return Encoder(Initial(0, dtype), sizes, transport=transport, epsilon=epsilon, sinkhorn=sinkhorn, updates=50)


def sequences(rows=256, length=32):
    """Every token once at every position."""
    shift = torch.arange(length) * 7
    return (torch.arange(rows).unsqueeze(1) + shift) % 256


def rms(x):
    return float(x.abs().square().mean().sqrt())
