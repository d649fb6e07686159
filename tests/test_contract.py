"""What every registered system keeps, whoever wrote it: causal, pure, seeded, staged, every switch live.

At its smallest size, from what a system says about itself; nothing here knows a system by name.
"""

from collections import Counter
from functools import cache

import pytest
import torch

from harness.system import OPTIMISER, System, stages_in
from harness.systems import load_system, system_names

SYSTEMS = {name: load_system(name) for name in system_names()}
BASELINE = "status_quo"


def conditions(system):
    found = {condition.name: condition.default for condition in system.conditions}
    return found | dict(next(iter(system.sizes.values()), {}))


def flips(system):
    """Every variant one level away from the baseline, where the switch applies."""
    base = system.variants[BASELINE]
    for switch in system.switches:
        for level in switch.levels:
            variant = {**base, switch.name: level}
            if level != base[switch.name] and switch.applies(base):
                yield switch, level, variant


EVERY_SWITCH = [
    pytest.param(name, switch, variant, id=f"{name}-{switch.name}-{level}")
    for name, system in SYSTEMS.items()
    for switch, level, variant in flips(system)
]
EVERY_FLIP = [pytest.param(each.values[0], each.values[2], id=each.id) for each in EVERY_SWITCH]
EVERY_VARIANT = [
    pytest.param(name, variant, id=f"{name}-{label}")
    for name, system in SYSTEMS.items()
    for label, variant in system.variants.items()
] + EVERY_FLIP


@cache
def made(name, levels):
    return SYSTEMS[name].build(dict(levels), conditions(SYSTEMS[name]), 0)


def model_of(name, variant):
    return made(name, tuple(sorted(variant.items())))


def batch_of(name, seed=0):
    return SYSTEMS[name].batch(conditions(SYSTEMS[name]), seed)


def tensors(output):
    return {name: tensor.detach().clone() for name, tensor in output.tensors.items()}


def distance(found, truth):
    return float((found - truth).norm() / truth.norm())


def same(before, after):
    return before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)


def called(system, model, batch, mode):
    """One call as the harness makes it: gradients set to None, run, backward pass, update."""
    model.zero_grad(set_to_none=True)
    output = system.run(model, batch, mode)
    if output.loss is not None:
        output.loss.backward()
    if output.update is not None:
        output.update()
    return output


def numbers(system, model, batch, mode):
    """All that a call gives: tensors, loss, gradients."""
    output = called(system, model, batch, mode)
    gradients = {f"d {name}": p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    loss = {} if output.loss is None else {"loss": output.loss.detach()}
    return tensors(output) | gradients | loss


@cache
def base_numbers(name, mode):
    system = SYSTEMS[name]
    return numbers(system, model_of(name, system.variants[BASELINE]), batch_of(name), mode)


@cache
def base_work(name, mode):
    system = SYSTEMS[name]
    return work(system, model_of(name, system.variants[BASELINE]), batch_of(name), mode)


def work(system, model, batch, mode):
    """How often each operator is dispatched in one call (after a first one, which may compile)."""
    called(system, model, batch, mode)
    with torch.profiler.profile() as profile:
        called(system, model, batch, mode)
    return Counter({event.key: event.count for event in profile.key_averages()})


def defined(system, variant, mode):
    """A variant without meaning in a mode is refused by the estimate, so by every plan."""
    try:
        system.estimate(variant, conditions(system), mode)
    except ValueError:
        return False
    return True


def modes_of(system, variant):
    return [mode for mode in system.modes if defined(system, variant, mode)]


@pytest.mark.parametrize("name", SYSTEMS)
def test_satisfies_the_protocol_and_is_closed(name):
    system = SYSTEMS[name]
    assert isinstance(system, System)
    assert system.name == name
    levels = {switch.name: switch.levels for switch in system.switches}
    assert {BASELINE, "all_on"} <= system.variants.keys()
    for variant in system.variants.values():
        assert variant.keys() == levels.keys()
        assert all(variant[switch] in levels[switch] for switch in levels)
    for switch in system.switches:
        assert switch.tolerance.keys() | switch.gain.keys() | switch.gradient_gain.keys() <= set(switch.levels)
        assert not switch.modes or set(switch.modes) & set(system.modes)
        assert switch.oracle is None or switch.oracle in switch.levels
    assert set(getattr(system, "updating", ())) <= set(system.modes)
    ranges = {condition.name: condition for condition in system.conditions}
    for size in system.sizes.values():
        assert all(ranges[key].low <= value <= ranges[key].high for key, value in size.items())
    assert all(condition.low <= condition.default <= condition.high for condition in system.conditions)


@pytest.mark.parametrize(("name", "variant"), EVERY_VARIANT)
def test_causal(name, variant):
    """Entries after a position do not reach the output before it; a variant marked as leaking is seen to leak."""
    system, model = SYSTEMS[name], model_of(name, variant)
    order, batch, other = system.order, batch_of(name, 0), batch_of(name, 1)
    whole, strange = batch.inputs[order.input], other.inputs[order.input]
    length = whole.shape[order.input_axis]
    cut = length // 2
    spliced = torch.cat(
        [whole.narrow(order.input_axis, 0, cut), strange.narrow(order.input_axis, cut, length - cut)], order.input_axis
    )
    assert not torch.equal(spliced, whole)
    before = system.run(model, batch, "forward").tensors[order.output]
    after = system.run(model, type(batch)({**batch.inputs, order.input: spliced}), "forward").tensors[order.output]
    early = distance(after.narrow(order.output_axis, 0, cut), before.narrow(order.output_axis, 0, cut))
    assert distance(after, before) > 10 * system.rounding
    if order.leaks(variant):
        assert early > 10 * system.rounding
    else:
        assert early <= system.rounding


@pytest.mark.parametrize(("name", "variant"), EVERY_VARIANT)
def test_pure(name, variant):
    """In every mode: the same again to the last bit, and neither model nor batch is changed, by an update either."""
    system, model, batch = SYSTEMS[name], model_of(name, variant), batch_of(name)
    inputs = {key: value.clone() for key, value in batch.inputs.items()}
    state = {key: value.clone() for key, value in model.state_dict().items()}
    for mode in modes_of(system, variant):
        assert same(numbers(system, model, batch, mode), numbers(system, model, batch, mode))
    assert same(state, model.state_dict())
    assert same(inputs, dict(batch.inputs))


@pytest.mark.parametrize(("name", "variant"), EVERY_VARIANT)
def test_a_mode_gives_what_its_kind_gives_and_an_undefined_one_is_an_error(name, variant):
    """A loss or tensors, an update where the system says so; no mode stands in for another."""
    system, model, batch = SYSTEMS[name], model_of(name, variant), batch_of(name)
    for mode in system.modes:
        if not defined(system, variant, mode):
            with pytest.raises(ValueError, match=r"\w"):
                system.run(model, batch, mode)
            continue
        output = system.run(model, batch, mode)
        assert output.tensors or output.loss is not None
        assert (output.update is not None) == (OPTIMISER in stages_in(system, mode))
        assert output.update is None or output.loss is not None
        assert all(
            torch.isfinite(torch.view_as_real(t) if t.is_complex() else t).all() for t in tensors(output).values()
        )


@pytest.mark.parametrize("name", SYSTEMS)
def test_seeded(name):
    system, base = SYSTEMS[name], SYSTEMS[name].variants[BASELINE]
    model = model_of(name, base)
    again, other = (system.build(base, conditions(system), seed) for seed in (0, 1))
    parameters = dict(model.named_parameters())
    assert same(parameters, dict(again.named_parameters()))
    assert not same(parameters, dict(other.named_parameters()))
    assert same(dict(batch_of(name).inputs), dict(batch_of(name).inputs))
    assert not same(dict(batch_of(name).inputs), dict(batch_of(name, 1).inputs))
    batch = batch_of(name)
    assert same(tensors(system.run(model, batch, "forward")), tensors(system.run(again, batch, "forward")))


@pytest.mark.parametrize(("name", "variant"), EVERY_FLIP)
def test_parameters_equal_in_name_shape_and_initialiser_are_equal_and_can_be_shared(name, variant):
    """A level may draw a parameter of the same name and shape otherwise: then it has other numbers, and is its own."""
    system, base = SYSTEMS[name], model_of(name, SYSTEMS[name].variants[BASELINE])
    alone, shared = model_of(name, variant), system.build(variant, conditions(system), 0, share=base)
    parameters = dict(base.named_parameters())
    common = [key for key, p in alone.named_parameters() if key in parameters and parameters[key].shape == p.shape]
    equal = {key for key in common if torch.equal(alone.get_parameter(key), parameters[key])}
    assert len(equal) > len(parameters) / 2
    assert equal == {key for key in common if shared.get_parameter(key) is parameters[key]}
    batch = batch_of(name)
    assert same(tensors(system.run(alone, batch, "forward")), tensors(system.run(shared, batch, "forward")))


@pytest.mark.parametrize("name", SYSTEMS)
def test_staged(name):
    """In every mode each stage's path resolves, its own forward runs once per call, and the order is the pipeline's."""
    system = SYSTEMS[name]
    for variant in system.variants.values():
        model, fired = model_of(name, variant), []
        hooks = [
            model.get_submodule(path).register_forward_hook(lambda *_, stage=stage, fired=fired: fired.append(stage))
            for stage, path in system.stages.items()
        ]
        for mode in modes_of(system, variant):
            fired.clear()
            called(system, model, batch_of(name), mode)
            assert fired == list(system.stages)
        for hook in hooks:
            hook.remove()


def differs(name, variant, mode):
    """In parameters or numbers from the baseline, in one mode."""
    system = SYSTEMS[name]
    base, flipped = model_of(name, system.variants[BASELINE]), model_of(name, variant)
    if not same(dict(base.named_parameters()), dict(flipped.named_parameters())):
        return True
    return not same(base_numbers(name, mode), numbers(system, flipped, batch_of(name), mode))


def works_otherwise(name, variant, mode):
    return base_work(name, mode) != work(SYSTEMS[name], model_of(name, variant), batch_of(name), mode)


@pytest.mark.parametrize(("name", "switch", "variant"), EVERY_SWITCH)
def test_every_switch_is_live_where_it_says_so_and_nowhere_else(name, switch, variant):
    """Flipped alone it changes parameters, numbers or work in a mode it is alive in; in others a plan merges its
    levels, so there they give the same."""
    system, base = SYSTEMS[name], SYSTEMS[name].variants[BASELINE]
    alive = [mode for mode in modes_of(system, variant) if switch.alive(base, mode)]
    assert any(differs(name, variant, mode) or works_otherwise(name, variant, mode) for mode in alive)
    assert not any(differs(name, variant, mode) for mode in modes_of(system, variant) if mode not in alive)


@pytest.mark.parametrize("name", SYSTEMS)
def test_probes_read_what_they_declare(name):
    system = SYSTEMS[name]
    for variant in system.variants.values():
        readings = system.read_probes(model_of(name, variant), batch_of(name))
        assert readings.keys() == {probe.name for probe in system.probes}
        again = system.read_probes(model_of(name, variant), batch_of(name))
        assert all(readings[probe.name] == again[probe.name] for probe in system.probes if probe.exact)


@pytest.mark.parametrize(("name", "variant"), EVERY_VARIANT)
def test_estimate_counts_parameters_exactly_and_training_costs_more(name, variant):
    system, model = SYSTEMS[name], model_of(name, variant)
    parameters = sum(p.numel() * p.element_size() for p in model.parameters())
    found = {mode: system.estimate(variant, conditions(system), mode) for mode in modes_of(system, variant)}
    for mode, estimate in found.items():
        updating = OPTIMISER in stages_in(system, mode)
        assert (estimate.parameter_bytes > parameters) if updating else (estimate.parameter_bytes == parameters)
        assert estimate.flops > 0 < estimate.activation_bytes
        assert not estimate.stages or tuple(estimate.stages) == stages_in(system, mode)
    assert found["train_step"].flops > found["forward"].flops
    assert found["train_step"].activation_bytes > found["forward"].activation_bytes
