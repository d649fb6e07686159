"""The two horizons: what memory a state has at the start, that its energy does not depend on it, and the readings."""

import math

import pytest
import torch
from torch.nn.functional import softplus

from sem_impl.horizon import HORIZONS
from sem_impl.initial import Initial
from sem_impl.layout import LAYOUTS
from sem_impl.mixer import Mixer
from sem_impl.probing.mixer import memory, rate, read, response, share
from sem_impl.sizes import SIZES, Dimensions
from sem_impl.state_space import StateSpace

EXACT = Initial(0, torch.float64)
ROUNDOFF = 2.0**-24
LEVELS = {"norm": "complex_rms", "residual": "learned_horizon", "scan": "chunked"}


def rows(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def sizes(**changes):
    return Dimensions.of({**SIZES["tiny"], "propagator_layers": 1, **changes})


def state_space(horizon, layout="complex64", **changes):
    return StateSpace(EXACT.scope("space"), sizes(**changes), horizon=horizon, scan="chunked", layout=layout)


def test_by_hand():
    assert HORIZONS["third"](300) == pytest.approx(100)
    assert HORIZONS["before"](300) == pytest.approx(110.363832)


@pytest.mark.parametrize(("horizon", "tau"), [("before", 48 / math.e), ("third", 16.0)])
def test_decay_and_inward_map_follow_the_horizon(horizon, tau):
    """Initial parameters are rounded to float32; a = ln(e^(1/tau) - 1) is about -2.8 and softplus(a) about e^a, so its
    relative error is |a| roundings. B's mean square is that of 1024 exponentials: five deviations."""
    space = state_space(horizon, seq_len=48)
    assert softplus(space.decay).tolist() == pytest.approx([1 / tau] * 64, rel=4 * ROUNDOFF)
    mean_square = float(space.inward.detach().square().sum(-1).mean())
    assert mean_square == pytest.approx((1 - math.exp(-2 / tau)) / 16, rel=5 / 32)


def states_of(space, inputs, state):
    """The states the layer hands on after each of these pieces of text."""
    with torch.no_grad():
        for y in inputs:
            _, state = space(y, state)
            yield state


@pytest.mark.parametrize(("horizon", "third", "half"), [("before", 0.8367, 0.9340), ("third", 0.8647, 0.9502)])
def test_retention_of_a_state_that_nothing_enters(horizon, third, half):
    """The layer itself, no input: the energy of its state after every token; after 4 S what is left is below 1e-9.
    S = 60 is divisible by both windows."""
    silence, state = torch.zeros(3, 1, 64, dtype=torch.complex128), rows(3, 64)
    states = [state, *states_of(state_space(horizon, seq_len=60), [silence] * 240, state)]
    energies = [float(each.abs().square().sum()) for each in states]
    assert sum(energies[:20]) / sum(energies) == pytest.approx(third, abs=1e-4)
    assert sum(energies[:30]) / sum(energies) == pytest.approx(half, abs=1e-4)


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("seq_len", [6, 24, 96])
def test_energy_of_the_state_is_one_at_every_horizon_and_does_not_grow(horizon, seq_len):
    """Inputs CN(0, 1) and steps of 1; 2, 3 and 4 times S tokens fill the horizon to 1 - e^-10. The 64 x 64 states of
    one moment deviate by 1/64, B's drawn entries by 1/32. With B ~ CN(0, 1/N) it would be tau/2."""
    pieces = [rows(64, 2 * seq_len, 64, seed=1), *(rows(64, seq_len, 64, seed=seed) for seed in (2, 3))]
    states = states_of(state_space(horizon, seq_len=seq_len), pieces, torch.zeros(64, 64, dtype=torch.complex128))
    early, _, late = (float(state.abs().square().mean()) for state in states)
    assert late == pytest.approx(1.0, abs=5 / 32 + 5 / 64)
    assert late / early == pytest.approx(1.0, abs=5 * math.sqrt(2) / 64)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_an_input_of_another_length_keeps_the_sizes_horizon(horizon):
    space = state_space(horizon, seq_len=48)
    _, state = space(torch.zeros(1, 5, 64, dtype=torch.complex128), torch.ones(1, 64, dtype=torch.complex128))
    expected = math.exp(-5 / HORIZONS[horizon](48))
    assert state.abs().flatten().tolist() == pytest.approx([expected] * 64, rel=32 * ROUNDOFF)


def trained(space):
    """Steps that differ from token to token and decays that differ from state to state."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter, spread in ((space.step_weight, 0.1), (space.decay, 0.7)):
            parameter.add_(spread * torch.randn(parameter.shape, dtype=parameter.dtype, generator=generator))
    return space


@pytest.mark.parametrize("layout", LAYOUTS)
def test_rates_are_those_at_which_the_layer_forgets_a_change(layout):
    """Two states, the same input: their difference after the text is the product of all |A|."""
    space, y = trained(state_space("third", layout)), LAYOUTS[layout].enter(rows(2, 21, 64))
    before, change = rows(2, 64, seed=1), rows(2, 64, seed=2)
    with torch.no_grad():
        _, with_change = space(y, before + change)
        _, without = space(y, before)
        passed = rate(space, y).sum(1)
    assert float(passed.std()) > 1
    assert torch.allclose((with_change - without).abs(), change.abs() * torch.exp(-passed), rtol=1e-8, atol=1e-13)


def test_share_of_a_constant_decay():
    rates = torch.full((2, 30, 3), 0.1, dtype=torch.float64)
    for window in (0, 1, 10, 15, 30):
        assert share(rates, window) == pytest.approx(1 - math.exp(-0.1 * window), rel=1e-12)
    assert share(rates, 10.25) == pytest.approx(0.75 * share(rates, 10) + 0.25 * share(rates, 11), rel=1e-12)


def test_share_repeats_the_text_without_end():
    """Brute force over 400 repetitions of 5 tokens."""
    rates = torch.rand(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 0.01
    shares = []
    for row in range(2):
        for state in range(3):
            left, all_of_it = 1.0, []
            for token in range(2000):
                all_of_it.append(left)
                left *= math.exp(-float(rates[row, token % 5, state]))
            shares.append(sum(all_of_it[:3]) / sum(all_of_it))
    assert share(rates, 3) == pytest.approx(sum(shares) / 6, rel=1e-12)


def test_memory_is_read_over_all_layers():
    rates = [torch.full((1, 60, 2), each, dtype=torch.float64) for each in (0.05, 0.15)]
    found = memory(rates)
    assert found["memory_span"] == pytest.approx(10)
    assert found["log_decay"] == pytest.approx(math.log(0.1))

    def gone(exponent):
        return sum(1 - math.exp(-exponent * each) for each in (0.05, 0.15)) / 2

    assert found["retention_third"] == pytest.approx(gone(2 * 20))
    assert found["retention_half"] == pytest.approx(gone(2 * 30))
    assert found["amplitude_third"] == pytest.approx(gone(20))
    assert found["amplitude_half"] == pytest.approx(gone(30))


class Delay:
    """A mixer that adds to every token half of what stood some tokens before it."""

    def __init__(self, tokens):
        self.tokens = tokens

    def __call__(self, psi):
        later = torch.zeros_like(psi)
        later[:, self.tokens :] = 0.5 * psi[:, : psi.shape[1] - self.tokens]
        return psi + later, None


def test_response_of_a_delay():
    """The first token keeps 1 of its energy and sends 1/4 of it three tokens on."""
    psi, mixer = rows(2, 9, 4), Delay(3)
    found = response(mixer, psi, mixer(psi)[0])
    assert found["response_later"] == pytest.approx(0.2)
    assert found["response_lag"] == pytest.approx(3 * 0.2)


def readings_of(psi, horizon="third", layout="complex64", **changes):
    mixer = Mixer(EXACT.scope("mixer"), sizes(**changes), horizon=horizon, layout=layout, **LEVELS)
    with torch.no_grad():
        return mixer, read(mixer, psi)[0]


@pytest.mark.parametrize("horizon", HORIZONS)
def test_readings_of_a_fresh_mixer(horizon):
    _, found = readings_of(rows(2, 96, 64), horizon, seq_len=96)
    tau = HORIZONS[horizon](96)
    assert found["memory_span"] == pytest.approx(tau, rel=4 * ROUNDOFF)
    assert found["log_decay"] == pytest.approx(-math.log(tau), rel=4 * ROUNDOFF)
    assert found["retention_third"] == pytest.approx(1 - math.exp(-2 * 32 / tau), rel=1e-6)
    assert found["retention_half"] == pytest.approx(1 - math.exp(-2 * 48 / tau), rel=1e-6)
    assert found["amplitude_third"] == pytest.approx(1 - math.exp(-32 / tau), rel=1e-6)
    assert found["amplitude_half"] == pytest.approx(1 - math.exp(-48 / tau), rel=1e-6)


@pytest.mark.parametrize("length", [1, 2, 7, 32])
def test_state_readings_are_those_of_the_states_the_mixer_hands_on(length):
    psi = rows(2, length, 64)
    mixer, found = readings_of(psi)
    with torch.no_grad():
        final, halfway = (
            sum(float(carried.state.abs().square().mean()) for carried in mixer(part)[1])
            for part in (psi, psi[:, : (length + 1) // 2])
        )
    assert found["state_energy"] == pytest.approx(final / 2, rel=1e-12)
    assert found["state_growth"] == pytest.approx(final / halfway, rel=1e-12)
    assert all(math.isfinite(value) for value in found.values())


def test_response_of_a_mixer_is_what_a_change_of_its_first_token_does():
    psi = rows(2, 16, 64)
    mixer, found = readings_of(psi, seq_len=16)
    turned = psi.clone()
    turned[:, 0] *= 1j
    with torch.no_grad():
        change = (mixer(turned)[0] - mixer(psi)[0]).abs().square().sum((0, 2)).tolist()
    assert found["response_later"] == pytest.approx(sum(change[1:]) / sum(change))
    assert found["response_lag"] == pytest.approx(sum(lag * each for lag, each in enumerate(change)) / sum(change))
    assert 0.1 < found["response_later"] < 1


def test_readings_are_the_same_in_every_layout():
    psi = rows(2, 32, 64)
    expected = readings_of(psi)[1]
    for layout in LAYOUTS:
        assert readings_of(psi, layout=layout)[1] == pytest.approx(expected, rel=1e-9)
