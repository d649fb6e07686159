"""The training step: who learns how fast, clipping, the schedule, what a step changes and what it leaves."""

import math

import pytest
import torch
from training_helpers import SMALL, learner, model, training

from sem_impl.training import data
from sem_impl.training.groups import groups
from sem_impl.training.loop import clip, judge, schedule, train

LAYERS = 4
DECAYING = {
    *("encoder.embedding", "encoder.projection", "encoder.codes", "encoder.output"),
    *(
        f"mixer.layers.{layer}.{name}"
        for layer in range(LAYERS)
        for name in (
            *("unitary_gate.generator", "unitary_gate.gate", "output.weight"),
            *("state_space.step_weight", "state_space.inward", "state_space.outward"),
        )
    ),
    *("propagator.expand.weight", "head.projection.weight"),
}


def tokens(seed=0, rows=2):
    return data.drawn(data.learnt(), rows, SMALL["seq_len"] + 1, seed)


def rates(level, conditions=SMALL, **levels):
    """Parameter name -> rate over the base rate, and decay."""
    made = model(conditions | {"layers": LAYERS}, **levels)
    names = {id(p): name for name, p in made.named_parameters()}
    found = [
        (names.pop(id(p)), group["lr"] / 0.01, group["weight_decay"])
        for group in groups(made, level, 0.01)
        for p in group["params"]
    ]
    assert not names  # each parameter stands in one group
    return {name: (rate, decay) for name, rate, decay in found}


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("uniform", [1, 1, 1, 1]),
        ("linear_depth", [1, 1.75, 2.5, 3.25]),
        ("exponential_depth", [1, math.sqrt(2), 2, 2 * math.sqrt(2)]),
    ],
)
def test_mixer_layers_learn_as_their_level_says_and_the_rest_at_the_base_rate(level, expected):
    for name, (rate, _) in rates(level).items():
        layer = name.split(".")[2] if name.startswith("mixer.layers.") else None
        assert rate == pytest.approx(1.0 if layer is None else expected[int(layer)], rel=1e-12), name


@pytest.mark.parametrize("conditions", [SMALL, SMALL | {"candidates": 2, "kept": 1}])
@pytest.mark.parametrize(
    "levels", [{}, {"norm": "complex_rms", "residual": "learned_horizon", "head": "born_quadratic"}]
)
def test_these_decay_and_nothing_else(levels, conditions):
    """Also where an axis of a matrix is no longer than a complex number."""
    found = rates("uniform", conditions, **levels)
    assert {decay for _, decay in found.values()} == {0.0, 0.01}
    assert {name for name, (_, decay) in found.items() if decay} == DECAYING
    kept = {name.rsplit(".", 1)[-1] for name in found.keys() - DECAYING}
    assert {"eta", "phase", "taps", "kappa", "beta", "theta", "decay", "bias"} <= kept


def test_an_unknown_level_is_refused():
    with pytest.raises(KeyError, match="cubic"):
        groups(model(), "cubic", 1e-3)


def test_schedule_warms_up_and_falls_to_a_tenth():
    assert [schedule(step, 120) for step in (0, 9, 19, 20)] == pytest.approx([0.05, 0.5, 1.0, 1.0])
    assert schedule(119, 120) == pytest.approx(0.1)
    # halfway down: 0.1 + 0.9 / 2
    assert schedule(25, 31) == pytest.approx(0.55)
    assert [schedule(step, 120) for step in range(20, 120)] == sorted(
        (schedule(step, 120) for step in range(20, 120)), reverse=True
    )
    assert schedule(4, 5) == pytest.approx(0.25)  # a training that ends while it warms up


def test_clipping_keeps_directions_and_brings_the_global_norm_to_one():
    parameters = [
        torch.nn.Parameter(torch.zeros(2)),
        torch.nn.Parameter(torch.zeros(1)),
        torch.nn.Parameter(torch.ones(1)),
    ]
    parameters[0].grad, parameters[1].grad = torch.tensor([2.0, 3.0]), torch.tensor([6.0])  # norm 7
    assert clip(parameters) == pytest.approx(7.0)
    assert torch.allclose(torch.cat([parameters[0].grad, parameters[1].grad]), torch.tensor([2.0, 3.0, 6.0]) / 7)
    parameters[0].grad, parameters[1].grad = torch.tensor([0.3, 0.0]), torch.tensor([0.4])
    assert clip(parameters) == pytest.approx(0.5)
    assert parameters[0].grad.tolist() == pytest.approx([0.3, 0.0])  # shorter ones stay as they are


def test_lazily_conjugated_and_negated_gradients_are_written_out():
    z = torch.tensor([0.1 + 0.2j, 0.3 - 0.1j])
    parameters = [torch.nn.Parameter(torch.zeros(2, dtype=torch.complex64)), torch.nn.Parameter(torch.zeros(2))]
    parameters[0].grad, parameters[1].grad = z.conj(), z.conj().imag
    assert parameters[0].grad.is_conj() and parameters[1].grad.is_neg()
    clip(parameters)
    assert not parameters[0].grad.is_conj() and not parameters[1].grad.is_neg()
    assert torch.equal(torch.view_as_real(parameters[0].grad), torch.tensor([[0.1, -0.2], [0.3, 0.1]]))
    assert parameters[1].grad.tolist() == pytest.approx([-0.2, 0.1])


def test_a_step_is_adamw_on_the_clipped_gradient_at_the_scheduled_rate():
    """The first step of AdamW is lr g / (|g| + e) and decay lr 0.01 p, worked out from a backward pass of our own."""
    made, twin = training(steps=40), model()
    twin(tokens()[:, :-1], tokens()[:, 1:]).result.backward()
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in twin.parameters()))
    found = made.advance(tokens())
    assert found.gradient_norm == pytest.approx(norm, rel=1e-5)
    assert norm > 2  # so it is clipped
    rate = 3e-3 / 20
    for name, p in twin.named_parameters():
        g, own = p.grad / norm, made.model.get_parameter(name)
        expected = p * (1 - rate * (0.01 if name in DECAYING else 0)) - rate * g / (g.abs() + 1e-8)
        # float32: a few roundings of numbers below max(|p|, rate)
        assert torch.allclose(own, expected, rtol=1e-5, atol=1e-3 * rate), name
        moments = made.optimiser.state[own]
        assert torch.allclose(moments["exp_avg"], 0.1 * g, rtol=1e-4, atol=1e-9), name
        assert torch.allclose(moments["exp_avg_sq"], 0.05 * g.square(), rtol=1e-4, atol=1e-15), name


def test_all_rates_follow_the_schedule():
    made = training(steps=30, learning_rate="exponential_depth")  # of two layers: 1 and 4^(1/2)
    for step in range(30):
        made.step = step
        made.advance(tokens())
        rates = {round(group["lr"] / schedule(step, 30), 12) for group in made.optimiser.param_groups}
        assert rates == {3e-3, 6e-3}


def test_the_potential_is_balanced_once_a_step_under_causal_transport_only():
    made, twin = training(), model()
    occupancy = twin(tokens()[:, :-1], tokens()[:, 1:]).log_occupancy
    twin.encoder.balance(occupancy)
    made.advance(tokens())
    assert made.model.encoder.potential.any()
    assert torch.equal(made.model.encoder.potential, twin.encoder.potential)
    documented = training(transport="sequence")
    documented.advance(tokens())
    assert not documented.model.encoder.potential.any()


def test_the_adaptive_tolerance_follows_the_step_and_judging_is_strict():
    made, seen = training(steps=20_000, tolerance="adaptive"), []
    propagator = made.model.propagator.evolve
    propagator.register_forward_hook(lambda *_: seen.append(propagator.step().tolerance))
    for step in (0, 999, 1000, 9_999, 10_000):
        made.step = step
        made.advance(tokens())
    assert seen == [1e-4, 1e-4, 1e-5, 1e-5, 1e-6]
    made.step = 0
    judge(made.model, tokens(rows=4), 2)
    assert seen[5:] == [1e-6, 1e-6] and made.model.training


def test_judging_is_the_mean_loss_and_changes_nothing():
    made, windows = model(), tokens(rows=6)
    before = {name: value.clone() for name, value in made.state_dict().items()}
    with torch.no_grad():
        whole = float(made(windows[:, :-1], windows[:, 1:]).result)
    assert judge(made, windows, 2) == pytest.approx(whole, rel=1e-6)
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())
    assert all(p.grad is None for p in made.parameters())


def test_the_same_seed_gives_the_same_parameters_to_the_last_bit():
    ends = []
    for seed in (0, 0, 1):
        made, heard = training(steps=4), []
        updates = train(
            made, lambda step, seed=seed: tokens(100 * seed + step), lambda *what, to=heard: to.append(what)
        )
        assert heard == list(zip((1, 2, 3, 4), updates, strict=True))
        ends.append((made.model.state_dict(), updates))
    assert all(torch.equal(value, ends[1][0][name]) for name, value in ends[0][0].items())
    assert ends[0][1] == ends[1][1] != ends[2][1]


def test_a_loss_that_is_no_number_stops_the_training_and_updates_nothing():
    made = training()
    with torch.no_grad():
        made.model.head.projection.bias[0] = math.nan
    before = {name: p.detach().clone() for name, p in made.model.named_parameters()}
    with pytest.raises(FloatingPointError, match=r"training step 0: loss nan, .* a smaller base rate might do"):
        made.advance(tokens())
    for name, p in made.model.named_parameters():
        assert torch.equal(p.detach().nan_to_num(), before[name].nan_to_num())
    assert made.step == 0 and not made.model.encoder.potential.any()


def test_windows_of_a_step_are_its_own_and_what_is_held_out_stays_out():
    first = data.batch(0, 3, 4, 33)
    assert torch.equal(first, data.batch(0, 3, 4, 33))
    assert not torch.equal(first, data.batch(0, 4, 4, 33)) and not torch.equal(first, data.batch(1, 3, 4, 33))
    assert all(bytes(window.tolist()) in data.learnt() for window in first)
    windows = data.judged(6, 33)
    assert len(windows) % 6 == 0 and len(windows) * 32 >= data.JUDGED
    assert all(bytes(window.tolist()) in data.held_out() for window in windows)
    assert len(data.learnt()) + len(data.held_out()) == len(data.text())
    assert 0.08 < len(data.held_out()) / len(data.text()) < 0.12
    block = data.text()[9 * data.BLOCK : 10 * data.BLOCK]
    assert block in data.held_out() and block not in data.learnt()


def test_the_bar_is_the_entropy_of_single_bytes():
    # aab: 2/3 ln 3/2 + 1/3 ln 3
    assert data.unigram_entropy(b"aab") == pytest.approx(2 / 3 * math.log(1.5) + math.log(3) / 3, rel=1e-12)
    # targets bcbb and bbab: a once, c once, b six times
    windows = torch.tensor([list(b"abcbb"), list(b"abbab")])
    assert data.bar(windows) == pytest.approx(2 / 8 * math.log(8) + 6 / 8 * math.log(8 / 6), rel=1e-12)


def test_loss_and_bar_are_of_the_same_tokens():
    """A head that says how often each byte occurs among the targets, whatever it sees, stands at the bar."""
    made = learner()
    windows = data.judged(made.rows, made.length)
    shares = torch.bincount(windows[:, 1:].flatten(), minlength=256) / windows[:, 1:].numel()
    projection = made.training.model.head.projection
    with torch.no_grad():
        projection.weight.zero_()
        projection.bias.copy_(shares.clamp_min(1e-30).log())
    found = made.judge()
    # the mean of some 1000 float32 losses
    assert found.loss == pytest.approx(found.bar, rel=1e-5)
    assert abs(found.bar - data.unigram_entropy(data.held_out())) > 1e-3
