"""`tiled` never has a tensor of S K entries, forward or backward, and keeps less than that for the backward pass."""

import pytest
import torch
from sinkhorn_helpers import Largest, saved_entries

from sem_impl.encoder import Encoder
from sem_impl.initial import Initial
from sem_impl.sinkhorn import TILE
from sem_impl.sizes import EMBEDDED, SIZES, Dimensions

LENGTH, CANDIDATES = 1024, 256
SIZE = Dimensions.of(
    {**SIZES["tiny"], "propagator_layers": 1, "seq_len": LENGTH, "candidates": CANDIDATES, "kept": 128, "width": 32}
)
TOKENS = (torch.arange(LENGTH) * 37 % 256).unsqueeze(0)


def encoder(sinkhorn, epsilon):
    return Encoder(Initial(0), SIZE, transport="sequence", epsilon=epsilon, sinkhorn=sinkhorn, updates=5)


def largest(sinkhorn, epsilon):
    made = encoder(sinkhorn, epsilon)
    with Largest() as forward:
        psi = made(TOKENS).psi
    with Largest() as backward:
        psi.abs().square().sum().backward()
    return forward.entries, backward.entries


@pytest.mark.parametrize("epsilon", ["fixed", "cost_scaled"])
def test_largest_tensor(epsilon):
    linear = LENGTH * max(EMBEDDED, 2 * SIZE.width)
    forward, backward = largest("tiled", epsilon)
    assert forward <= max(TILE, linear) < LENGTH * CANDIDATES
    assert backward <= max(TILE, linear, CANDIDATES**2) < LENGTH * CANDIDATES
    assert largest("dense", epsilon) == (LENGTH * CANDIDATES, LENGTH * CANDIDATES)


def test_kept_for_the_backward_pass():
    kept, _ = saved_entries(lambda: encoder("tiled", "fixed")(TOKENS))
    dense, _ = saved_entries(lambda: encoder("dense", "fixed")(TOKENS))
    # ids, points, sdr and phases of every token (a complex number counts two, an id two), E, W, codes, W_o, v
    linear = LENGTH * (2 + 2 * EMBEDDED + 5 * SIZE.width)
    parameters = 256 * SIZE.width + EMBEDDED * SIZE.width + CANDIDATES * (EMBEDDED + SIZE.width + 1)
    assert kept <= linear + parameters
    assert dense - kept > LENGTH * CANDIDATES
