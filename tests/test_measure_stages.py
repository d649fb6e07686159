"""Stage times are exact on the virtual clock, forward and backward, and a bad declaration is named."""

import pytest
import torch
from stages_helpers import BACKWARD, FORWARD, PATHS, Model, Spend, times_of

from harness.measure.stages import StageError, StageRecorder
from harness.measure.virtual import VirtualClock


def test_every_stage_reads_its_own_time_in_both_directions():
    clock = VirtualClock()
    times = times_of(Model(clock), clock)
    assert {name: times[name] for name in FORWARD} == pytest.approx(FORWARD)
    assert {name: times[f"{name}.backward"] for name in BACKWARD} == pytest.approx(BACKWARD)


def test_time_between_stages_belongs_to_none_of_them():
    clock = VirtualClock()
    start = clock.mark()
    times = times_of(Model(clock, gap=7.0), clock)
    total = clock.resolve([start, clock.mark()])[1]
    assert total - sum(times.values()) == pytest.approx(7.0)


def test_a_loss_outside_all_stages_belongs_to_none_of_them():
    """It takes 8 s in the backward pass, which the last stage would have if it began with the pass."""
    clock = VirtualClock()
    model = Model(clock)
    with StageRecorder(clock, model, PATHS) as recorder:
        loss = Spend.apply(model(torch.ones(3, requires_grad=True)), clock, "mixer")
        recorder.start_backward()
        loss.backward()
        recorder.end_backward()
    times = recorder.times()
    assert {name: times[f"{name}.backward"] for name in BACKWARD} == pytest.approx(BACKWARD)


def test_hooks_are_gone_afterwards():
    clock = VirtualClock()
    model = Model(clock)
    times_of(model, clock)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_stage_that_never_runs_is_named():
    clock = VirtualClock()
    with pytest.raises(StageError, match=r"stage 'all'.*did not run"):
        times_of(Model(clock), clock, {"all": "stages", **PATHS})


def test_a_stage_that_runs_twice_is_named():
    clock = VirtualClock()
    model = Model(clock)
    model.stages["mixer"] = model.stages["encoder"]
    with pytest.raises(StageError, match="stage 'encoder': enter happened twice"):
        times_of(model, clock, {"encoder": "stages.encoder", "head": "stages.head"})


def test_a_detached_stage_is_named():
    clock = VirtualClock()
    model = Model(clock)
    model.stages["encoder"].forward = lambda x: Spend.apply(x, clock, "encoder").detach().requires_grad_()
    model.stages["mixer"].register_forward_pre_hook(lambda _, inputs: inputs[0].detach().requires_grad_())
    with pytest.raises(StageError, match="stage 'encoder': no gradient reached"):
        times_of(model, clock)


def test_stages_declared_out_of_order_are_named():
    clock = VirtualClock()
    swapped = {name: PATHS[name] for name in ("mixer", "encoder", "head")}
    with pytest.raises(StageError, match="pipeline order"):
        times_of(Model(clock), clock, swapped)
