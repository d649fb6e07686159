"""What a head can tell apart and choose, against heads so small that every state can be tried."""

import math

import pytest
import torch

from sem_impl.head import HEADS, Head
from sem_impl.initial import Initial
from sem_impl.probing import head as readings
from sem_impl.probing.reach import inside_the_hull, reach


def head(level, width, vocabulary, seed=0):
    return Head(Initial(seed, torch.float64), width, vocabulary, head=level, loss="materialised").requires_grad_(False)


def psi(count, width):
    return torch.randn(count, width, dtype=torch.complex128, generator=torch.Generator().manual_seed(2))


def everywhere(width):
    """Unit states, closely spaced: of one complex number all phases, of two all but a common phase of 0."""
    phase = torch.linspace(0, 2 * math.pi, 721, dtype=torch.float64)[:-1]
    unit = torch.polar(torch.ones_like(phase), phase)
    if width == 1:
        return unit[:, None]
    tilt = torch.linspace(0, math.pi / 2, 120, dtype=torch.float64)
    second = (tilt.sin()[:, None] * unit).flatten()
    return torch.stack((tilt.cos()[:, None].expand(-1, len(unit)).flatten().to(second.dtype), second), 1)


def winners(made, width):
    return set(made(everywhere(width)).argmax(-1).tolist())


def sets(made, vocabulary):
    reached, never = reach(made.projection, torch.arange(vocabulary))
    return set(reached.nonzero().flatten().tolist()), set(never.nonzero().flatten().tolist())


@pytest.mark.parametrize("seed", range(3))
def test_log_linear_reaches_the_corners_of_the_hull_and_proves_the_rest_unreachable(seed):
    made = head("log_linear", 1, 40, seed)
    reached, never = sets(made, 40)
    assert reached == winners(made, 1)
    assert reached | never == set(range(40))
    assert 3 <= len(reached) < 20
    assert not reached & never


def test_a_bias_lifts_a_token_out_of_the_hull_and_shades_the_others():
    made = head("log_linear", 1, 12)
    inside = min(sets(made, 12)[1])
    made.projection.bias[inside] = 100.0
    reached, never = sets(made, 12)
    assert reached == winners(made, 1) == {inside}
    assert inside not in never
    made.projection.bias[inside] = -100.0
    assert inside in sets(made, 12)[1]


def test_inside_the_hull_a_bias_above_the_others_is_no_proof():
    made = head("log_linear", 1, 12)
    token = min(sets(made, 12)[1])
    for shift in (-10.0, 10.0):
        made.projection.bias.fill_(shift)
        made.projection.bias[token] = shift - 5
        assert inside_the_hull(made.projection, token)
        made.projection.bias[token] = shift + 5
        assert not inside_the_hull(made.projection, token)


def test_one_complex_number_lets_the_born_head_choose_one_token():
    made = head("born_quadratic", 1, 12)
    reached, never = sets(made, 12)
    longest = int(torch.view_as_complex(made.projection.weight)[:, 0].abs().argmax())
    assert reached == {longest}
    assert never == set(range(12)) - reached


@pytest.mark.parametrize("seed", range(3))
def test_the_born_head_reaches_what_any_state_makes_the_most_likely(seed):
    made = head("born_quadratic", 2, 12, seed)
    reached, never = sets(made, 12)
    assert reached == winners(made, 2)
    assert 1 < len(reached) < 12
    assert not never


def test_the_born_head_never_chooses_a_shortened_copy():
    made = head("born_quadratic", 2, 12)
    W = torch.view_as_complex(made.projection.weight)
    W[7] = 0.9j * W[3]
    assert 7 in sets(made, 12)[1]


def test_a_search_that_is_too_large_is_left_out_and_nothing_is_claimed(monkeypatch):
    monkeypatch.setattr("sem_impl.probing.reach.SEARCHED", 0)
    monkeypatch.setattr("sem_impl.probing.reach.PROVEN", 0)
    made = head("log_linear", 1, 40)
    reached, never = sets(made, 40)
    assert reached < winners(made, 1)
    assert not never


@pytest.mark.parametrize("level", HEADS)
def test_every_sampled_token_is_reached_where_states_have_room(level):
    found = readings.read(head(level, 129, 1000), psi(3, 129))
    assert (found["reachable"], found["unreachable"]) == (1.0, 0.0)


def test_ranks_of_the_log_linear_head_are_those_of_a_linear_map():
    made = head("log_linear", 200, 600)
    found = readings.read(made, psi(3, 200))
    assert (found["rank_bound"], found["block_bound"]) == (401, 25)
    assert (found["form_rank"], found["logit_rank"]) == (24, 24)  # no bias yet
    made.projection.bias.copy_(torch.linspace(-1, 1, 600))
    found = readings.read(made, psi(3, 200))
    assert (found["form_rank"], found["logit_rank"]) == (25, 25)


def test_the_logarithm_lifts_the_born_head_above_the_rank_of_its_form():
    found = readings.read(head("born_quadratic", 200, 600), psi(3, 200))
    assert (found["rank_bound"], found["block_bound"]) == (600, 144)
    assert (found["form_rank"], found["logit_rank"]) == (144, 512)
    assert readings.read(head("born_quadratic", 20, 600), psi(3, 20))["rank_bound"] == 400


@pytest.mark.parametrize("level", HEADS)
def test_narrow_heads_have_narrow_blocks(level):
    found = readings.read(head(level, 3, 40), psi(3, 3))
    assert found["block_bound"] == found["rank_bound"] == {"born_quadratic": 9, "log_linear": 7}[level]
    assert found["form_rank"] == {"born_quadratic": 9, "log_linear": 6}[level]


def test_the_spread_is_that_of_the_states_given():
    made, some = head("log_linear", 129, 1000), psi(5, 129)
    assert readings.read(made, some.view(1, 5, 129))["logit_spread"] == pytest.approx(float(made(some).std()))
