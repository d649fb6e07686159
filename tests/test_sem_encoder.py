"""The encoder tells tokens apart at every epsilon, keeps M candidates, and turns phases by position only."""

import math
from dataclasses import replace

import pytest
import torch
from encoder_helpers import TINY, WIDE, encoder, epsilons, rms, sequences, transports

from sem_impl.encoder import cost


def at_epsilon(epsilon):
    made = encoder("causal")
    made.epsilon = lambda *_: epsilon
    return made


@transports
@epsilons
@pytest.mark.parametrize("sizes", [TINY, WIDE], ids=["tiny", "wide"])
def test_tokens_stay_apart_at_initialisation(transport, epsilon, sizes):
    with torch.no_grad():
        psi = encoder(transport, epsilon, sizes=sizes)(sequences(length=4)).psi
    for position in range(4):
        at = psi[:, position]
        assert rms(at - at.mean(0)) / rms(at) >= 0.5


@pytest.mark.parametrize("epsilon", [0.5, 0.05, 0.0078, 0.001])
def test_tokens_stay_apart_and_rms_is_one_whatever_epsilon_is(epsilon):
    with torch.no_grad():
        psi = at_epsilon(epsilon)(sequences(length=4)).psi
    for position in range(4):
        at = psi[:, position]
        assert rms(at - at.mean(0)) / rms(at) >= 0.5
    # W_o has 64 x 32 entries: the mean of their squares deviates by sqrt(2 / 2048) = 3 %; five of those
    assert rms(psi) == pytest.approx(1.0, abs=0.16)


@transports
@epsilons
def test_another_token_changes_the_output_by_its_own_order(transport, epsilon):
    """Of one batch row, one token exchanged for each other: what comes out there differs by as much as it is."""
    tokens = sequences(1).repeat(256, 1)
    tokens[:, 20] = torch.arange(256)
    with torch.no_grad():
        psi = encoder(transport, epsilon)(tokens).psi[:, 20]
    change = (psi - psi[65]).norm(dim=-1) / psi[65].norm()
    others = torch.cat([change[:65], change[66:]])
    assert float(others.median()) > 0.7
    assert float(others.min()) > 0.1


@transports
@epsilons
def test_unit_rms_at_every_epsilon(transport, epsilon):
    with torch.no_grad():
        psi = encoder(transport, epsilon)(sequences()).psi
    assert rms(psi) == pytest.approx(1.0, abs=0.16)


def test_keeps_m_candidates_with_unit_norm():
    log_t = torch.log_softmax(torch.randn(5, 9, 32, generator=torch.Generator().manual_seed(0)), -1)
    rows = encoder().sparse(log_t)
    assert ((rows > 0).sum(-1) == TINY.kept).all()
    assert torch.allclose(rows.norm(dim=-1), torch.ones(5, 9), atol=1e-6)
    bound = log_t.sort(-1, descending=True).values[..., TINY.kept - 1 : TINY.kept]
    kept = torch.where(log_t >= bound, log_t.exp(), 0)
    assert torch.allclose(rows, kept / kept.norm(dim=-1, keepdim=True), atol=1e-6)


def test_all_kept_entries_have_gradients():
    made = encoder(dtype=torch.float64)
    log_t = torch.log_softmax(torch.randn(1, 1, 32, dtype=torch.float64), -1).requires_grad_()
    (made.sparse(log_t) * torch.randn(32, dtype=torch.float64)).sum().backward()
    assert int((log_t.grad != 0).sum()) == TINY.kept


def test_cost_is_the_squared_distance_at_the_scale_stated():
    made = encoder(dtype=torch.float64, sizes=WIDE)
    with torch.no_grad():
        point = made.point(torch.arange(256))
        found = cost(point, made.codes)
    assert torch.allclose(found, torch.cdist(point, made.codes).square(), atol=1e-12)
    assert float(found.mean()) == pytest.approx(0.4, rel=0.1)
    assert float(found.std(-1).mean()) == pytest.approx(0.05, rel=0.1)


def test_cost_of_a_point_on_its_code_is_not_negative():
    made = encoder(sizes=WIDE)
    with torch.no_grad():
        assert float(cost(made.codes, made.codes).min()) == 0


@epsilons
def test_tiled_agrees_with_dense(epsilon):
    """float64: some hundred roundings of 1.1e-16 in psi; a gradient sums a thousand of them: 1e-12 of its size."""
    sizes = replace(TINY, batch_size=16, candidates=128, kept=24)  # 32 positions a block
    tokens = sequences(16, 75)
    made = [encoder("sequence", epsilon, level, sizes, torch.float64) for level in ("dense", "tiled")]
    found = [each(tokens) for each in made]
    assert torch.allclose(found[0].psi, found[1].psi, rtol=0, atol=1e-12)
    assert found[0].updates == found[1].updates
    for encoded in found:
        (encoded.psi.real * encoded.psi.detach().imag).sum().backward()
    for (name, one), other in zip(made[0].named_parameters(), made[1].parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=0, atol=1e-12 * float(one.grad.abs().max())), name


def test_phase_is_the_positions_product_with_a_wave_for_each_channel():
    made = encoder(dtype=torch.float64)
    with torch.no_grad():
        psi = made(torch.full((1, 32), 65)).psi[0]
    j, s = torch.arange(64, dtype=torch.float64), torch.arange(32, dtype=torch.float64).unsqueeze(-1)
    truth = torch.polar(torch.ones(32, 64, dtype=torch.float64), s * 10000 ** (-j / 64))
    assert not psi[0].imag.any()
    assert torch.allclose(psi, psi[0] * truth, atol=1e-12)


def test_positions_go_on_where_a_text_does_within_the_table_and_beyond():
    made = encoder(dtype=torch.float64)
    tokens = sequences(2, 48)
    with torch.no_grad():
        whole = made(tokens).psi
        pieces = [made(tokens[:, first : first + 12], first).psi for first in range(0, 48, 12)]
    assert torch.allclose(torch.cat(pieces, 1), whole, atol=1e-12)


def test_forward_leaves_the_potential_and_balance_moves_it():
    made = encoder()
    encoded = made(sequences(4))
    assert not made.potential.any()
    made.balance(encoded.log_occupancy)
    assert made.potential.any()
    assert float(made.potential.mean()) == pytest.approx(0.0, abs=1e-8)
    assert math.isfinite(float(made.potential.abs().max()))
