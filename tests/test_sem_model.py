"""The whole model: parameters, text, gradients, and that it learns."""

import sys
from dataclasses import replace

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sem_impl import text
from sem_impl.initial import Initial
from sem_impl.model import Model
from sem_impl.probing import read
from sem_impl.sizes import SIZES, Dimensions
from sem_impl.system import SEM

TINY = Dimensions.of({**SIZES["tiny"], "propagator_layers": 1})
FAST = SEM.variants["propagator_before"] | {"matrix": "cached"}
STEP = {"dt": 0.1, "training_step": 0, "max_iterations": 50, "updates": 50}


def model(sizes=TINY, dtype=torch.float32, share=None, **levels):
    return Model(Initial(0, dtype, share), sizes, FAST | levels, **STEP)


def tokens(rows=2, seed=0):
    found, _ = text.windows(rows, 33, seed)
    return found[:, :-1], found[:, 1:]


def test_a_parameter_is_named_by_its_path():
    for name, parameter in model().named_parameters():
        assert parameter.origin[1] == name


def test_more_layers_leave_the_parameters_of_the_others_alone():
    small, large = model(), model(replace(TINY, layers=3, propagator_layers=2))
    found = dict(large.named_parameters())
    assert len(found) > len(dict(small.named_parameters()))
    for name, parameter in small.named_parameters():
        assert torch.equal(parameter, found[name])


def test_double_precision_holds_the_same_numbers():
    for single, double in zip(model().parameters(), model(dtype=torch.float64).parameters(), strict=True):
        assert torch.equal(single.double(), double)


def test_sharing_stops_where_the_initialiser_differs():
    first = model()
    second = model(replace(TINY, seq_len=64), share=first)
    shared = {name for name, p in second.named_parameters() if p is first.get_parameter(name)}
    apart = dict(second.named_parameters()).keys() - shared
    assert {name.rsplit(".", 1)[-1] for name in apart} == {"decay", "inward"}  # they depend on the horizon


def test_large_parameters_are_drawn_in_pieces_without_repeating():
    drawn = Initial(0).real("large", (3, 1 << 20), deviation=1.0)
    assert not torch.equal(drawn[0], drawn[1])
    assert float(drawn.detach().std()) == pytest.approx(1.0, abs=0.002)  # five deviations of 1 / sqrt(2 n)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": 5}, "width 64 must be a multiple of groups (5) and of 8"),
        ({"kept": 33}, "kept 33 must not exceed candidates 32"),
    ],
)
def test_dimensions_that_do_not_fit_together_are_refused(change, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace(")", r"\)")):
        Dimensions.of({**SIZES["tiny"], "propagator_layers": 1, **change})


def test_text_is_real_seeded_and_says_what_it_is():
    found, facts = text.windows(3, 200, 5)
    assert bytes(found[1].tolist()) in text.text()
    assert facts["distinct_tokens"] == len(set(found.flatten().tolist())) < 256
    assert len(facts["dataset_sha256"]) == 64
    assert facts["dataset"] == "pydoc_data.topics"


def test_a_missing_text_is_one_clear_error(monkeypatch):
    monkeypatch.setitem(sys.modules, text.NAME, None)
    text.text.cache_clear()
    with pytest.raises(
        ModuleNotFoundError, match=r"the embedded text is missing: this Python has no module pydoc_data"
    ):
        text.windows(1, 10, 0)


def test_estimated_work_of_the_head_is_what_torch_counts():
    """Real and dense, so torch's own counter is right there; the estimate's is the one part that depends on V."""
    variant, conditions = FAST, {c.name: c.default for c in SEM.conditions}
    small, large = (
        SEM.estimate(variant, conditions | {"vocabulary": V}, "forward").flops for V in (256, 256 + TINY.vocabulary)
    )
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model().head(torch.randn(2, 32, 256, dtype=torch.complex64))
    assert large - small == counter.get_total_flops()


CHECKED = [
    "encoder.embedding",
    "encoder.codes",
    "encoder.output",
    "mixer.layers.0.unitary_gate.generator",
    "mixer.layers.0.state_space.theta",
    "mixer.layers.1.state_space.step_weight",
    "mixer.layers.1.residual.log_tau",
    "propagator.expand.weight",
    "head.projection.weight",
    "head.projection.sigma",
]


def test_whole_model_gradients_are_those_of_finite_differences():
    """Along one random direction per parameter, central differences in float64. The direct solver, so that the loss is
    smooth: step h gives h^2 from the third derivative and 1e-16 / h from rounding, together far below 1e-6 at 1e-5."""
    made, (inputs, targets) = model(dtype=torch.float64, method="direct"), tokens()
    made(inputs, targets).result.backward()
    generator = torch.Generator().manual_seed(1)
    for name in CHECKED:
        parameter = made.get_parameter(name)
        direction = torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
        direction /= direction.norm()
        derivative = float((parameter.grad * direction).sum())
        with torch.no_grad():
            values = []
            for step in (1e-5, -1e-5):
                parameter.add_(direction, alpha=step)
                values.append(float(made(inputs, targets).result))
                parameter.sub_(direction, alpha=step)
        difference = (values[0] - values[1]) / 2e-5
        assert derivative == pytest.approx(difference, rel=1e-5, abs=1e-9), name


@pytest.mark.parametrize("transport", ["causal", "sequence"])
def test_every_parameter_receives_a_gradient(transport):
    made = model(transport=transport)
    made(*tokens()).result.backward()
    assert [name for name, p in made.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_it_learns():
    made = model(method="chebyshev")
    optimiser = torch.optim.AdamW(made.parameters(), lr=3e-3, betas=(0.9, 0.95), weight_decay=0.0)
    losses = []
    for step in range(30):
        predicted = made(*tokens(4, seed=step))
        optimiser.zero_grad()
        predicted.result.backward()
        optimiser.step()
        made.encoder.balance(predicted.log_occupancy)
        losses.append(float(predicted.result.detach()))
    assert losses[0] == pytest.approx(5.67, abs=0.2)  # ln 256 + 0.5^2 / 2
    assert sum(losses[-5:]) / 5 < 3.9
    assert made.encoder.potential.any()


def test_probes_run_the_mixer_twice_and_a_half_and_no_propagator_beside_their_own(monkeypatch):
    made, positions, states = model(), [], []
    made.mixer.layers[0].register_forward_pre_hook(lambda _, given: positions.append(given[0].shape[1]))
    made.propagator.evolve.register_forward_hook(lambda *_: pytest.fail("the propagator ran beside its probe"))
    monkeypatch.setattr("sem_impl.probing.head.read", lambda _, psi: states.append(psi) or {})
    inputs, _ = tokens(2)
    read(made, inputs)
    length = inputs.shape[1]
    assert positions == [length, (length + 1) // 2, length]
    with torch.no_grad():
        again = model()
        psi, _ = again.mixer(again.encoder(inputs).psi)
        assert torch.equal(states[0], again.propagator(psi))


def test_probes_read_all_positions_whatever_the_mode():
    conditions = {c.name: c.default for c in SEM.conditions}
    made, batch, lengths = SEM.build(SEM.variants["propagator_after"], conditions, 0), SEM.batch(conditions, 0), []
    made.encoder.register_forward_pre_hook(lambda _, given: lengths.append(given[0].shape[1]))
    SEM.run(made, batch, "decode")
    SEM.read_probes(made, batch)
    assert lengths == [1, conditions["seq_len"]]


def test_probes_come_from_the_state_the_propagator_really_gets():
    variant = SEM.variants["status_quo"]
    conditions = {c.name: c.default for c in SEM.conditions}
    made, batch = SEM.build(variant, conditions, 0), SEM.batch(conditions, 0)
    readings = SEM.read_probes(made, batch)
    assert readings["propagator.residual"] <= 1.5e-6
    assert readings["encoder.sinkhorn_updates"] == 0
    assert 0 < readings["encoder.marginal_error"] < 2
    sequence = SEM.build({**variant, "transport": "sequence"}, conditions, 0)
    assert SEM.read_probes(sequence, batch)["encoder.sinkhorn_updates"] > 0
