"""What the encoder's probes say, against the plan written out."""

import math
from dataclasses import replace

import pytest
import torch
from encoder_helpers import TINY, encoder, epsilons, rms, sequences, transports
from sinkhorn_helpers import Largest

from sem_impl.encoder import cost
from sem_impl.probing.encoder import read


def plan(made, tokens, encoded):
    costs = cost(made.point(tokens), made.codes)
    return torch.softmax(encoded.potential - costs / made.epsilon(costs, 64, TINY.kept), -1)


@torch.no_grad()
@transports
@epsilons
@pytest.mark.parametrize("sinkhorn", ["dense", "tiled"])
def test_readings_are_those_of_the_plan_written_out(transport, epsilon, sinkhorn):
    made = encoder(transport, epsilon, sinkhorn, dtype=torch.float64)
    made.potential.copy_(torch.linspace(-1, 1, 32))
    tokens = sequences(3, 11)
    encoded = made(tokens)
    t = plan(made, tokens, encoded)
    T = t / 11
    found = read(made, tokens, encoded)
    largest = t.sort(-1, descending=True).values
    truth = {
        "sinkhorn_updates": encoded.updates,
        "marginal_error": float(encoded.error),
        "row_entropy": float(torch.special.entr(t).sum(-1).mean()),
        "plan_entropy": float(torch.special.entr(T).sum((-2, -1)).mean()),
        "effective_candidates": math.exp(float(torch.special.entr(t).sum(-1).mean())),
        "sharpness": float(t.amax(-1).mean()),
        "kept_mass": float(largest[..., : TINY.kept].sum(-1).mean()),
    }
    assert {name: found[name] for name in truth} == pytest.approx(truth, rel=1e-12)
    assert found.keys() - truth.keys() == {"token_spread"}
    assert (encoded.updates > 0) == (transport == "sequence")


@torch.no_grad()
def test_token_spread_is_that_of_the_output_at_one_position():
    """Under `causal`, where a text of one token is encoded as within any other; a repeated token counts once."""
    made = encoder("causal", "fixed", dtype=torch.float64)
    tokens = torch.tensor([[3, 90, 90, 7], [200, 3, 3, 3]])
    psi = made(torch.tensor([[3], [7], [90], [200]]), 2).psi
    truth = rms(psi - psi.mean(0)) / rms(psi)
    assert read(made, tokens, made(tokens))["token_spread"] == pytest.approx(truth, rel=1e-12)
    alone = torch.full((2, 5), 65)
    assert read(made, alone, made(alone))["token_spread"] == pytest.approx(0.0, abs=1e-12)


@torch.no_grad()
def test_reading_holds_no_whole_plan():
    sizes = replace(TINY, candidates=256, kept=16)
    made = encoder("sequence", "fixed", "tiled", sizes)
    tokens = sequences(1, 1024)
    encoded = made(tokens)
    with Largest() as seen:
        read(made, tokens, encoded)
    assert seen.entries <= 2**16 < 1024 * 256
