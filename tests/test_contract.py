"""What every registered system keeps, whoever wrote it: causal, pure, seeded, staged, every switch live.

At its smallest size, from what a system says about itself; nothing here knows a system by name.
"""

from collections import Counter
from functools import cache

import pytest
import torch

from harness.system import System
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


EVERY_FLIP = [
    pytest.param(name, variant, id=f"{name}-{switch.name}-{level}")
    for name, system in SYSTEMS.items()
    for switch, level, variant in flips(system)
]
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


def gradients(system, model, batch):
    model.zero_grad(set_to_none=True)
    output = system.run(model, batch, "train_step")
    output.loss.backward()
    found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad(set_to_none=True)
    return found | {"loss": output.loss.detach()}


def work(system, model, batch):
    """How often each operator is dispatched in one call (after a first one, which may compile)."""
    system.run(model, batch, "forward")
    with torch.profiler.profile() as profile:
        system.run(model, batch, "forward")
    return Counter({event.key: event.count for event in profile.key_averages()})


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
        assert set(switch.tolerance) <= set(switch.levels)
        assert switch.oracle is None or switch.oracle in switch.levels
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
    system, model, batch = SYSTEMS[name], model_of(name, variant), batch_of(name)
    inputs = {key: value.clone() for key, value in batch.inputs.items()}
    state = {key: value.clone() for key, value in model.state_dict().items()}
    first, second = (tensors(system.run(model, batch, "forward")) for _ in range(2))
    assert same(first, second)
    assert same(gradients(system, model, batch), gradients(system, model, batch))
    assert same(state, model.state_dict())
    assert same(inputs, dict(batch.inputs))


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
def test_parameters_equal_in_name_and_shape_are_equal_and_can_be_shared(name, variant):
    system, base = SYSTEMS[name], model_of(name, SYSTEMS[name].variants[BASELINE])
    alone, shared = model_of(name, variant), system.build(variant, conditions(system), 0, share=base)
    parameters = dict(base.named_parameters())
    common = [key for key, p in alone.named_parameters() if key in parameters and parameters[key].shape == p.shape]
    assert common
    for key in common:
        assert torch.equal(alone.get_parameter(key), parameters[key])
        assert shared.get_parameter(key) is parameters[key]
    batch = batch_of(name)
    assert same(tensors(system.run(alone, batch, "forward")), tensors(system.run(shared, batch, "forward")))


@pytest.mark.parametrize("mode", ["forward", "train_step"])
@pytest.mark.parametrize("name", SYSTEMS)
def test_staged(name, mode):
    """Each stage's path resolves, and its own forward runs once per call, in the order of the pipeline."""
    system = SYSTEMS[name]
    model, fired = model_of(name, system.variants[BASELINE]), []
    hooks = [
        model.get_submodule(path).register_forward_hook(lambda *_, stage=stage: fired.append(stage))
        for stage, path in system.stages.items()
    ]
    system.run(model, batch_of(name), mode)
    for hook in hooks:
        hook.remove()
    assert fired == list(system.stages)


@pytest.mark.parametrize(("name", "variant"), EVERY_FLIP)
def test_every_switch_is_live(name, variant):
    """Flipped alone it changes parameters, numbers or work."""
    system, batch = SYSTEMS[name], batch_of(name)
    base, flipped = model_of(name, system.variants[BASELINE]), model_of(name, variant)
    parameters = same(dict(base.named_parameters()), dict(flipped.named_parameters()))
    numbers = same(tensors(system.run(base, batch, "forward")), tensors(system.run(flipped, batch, "forward")))
    assert not (parameters and numbers and work(system, base, batch) == work(system, flipped, batch))


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
    forward, training = (system.estimate(variant, conditions(system), mode) for mode in ("forward", "train_step"))
    assert forward.parameter_bytes == sum(p.numel() * p.element_size() for p in model.parameters())
    assert training.flops > forward.flops > 0
    assert training.activation_bytes > forward.activation_bytes > 0
