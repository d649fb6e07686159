"""Stage times are exact on the virtual clock, forward and backward, and a bad declaration is named."""

import pytest
import torch
from torch import nn

from harness.measure.stages import StageError, StageRecorder
from harness.measure.virtual import VirtualClock

FORWARD = {"encoder": 1.0, "mixer": 4.0, "head": 2.0}
BACKWARD = {"encoder": 3.0, "mixer": 8.0, "head": 5.0}


class Spend(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, clock, name):
        ctx.clock, ctx.name = clock, name
        clock.advance(FORWARD[name])
        return x * 2

    @staticmethod
    def backward(ctx, gradient):
        ctx.clock.advance(BACKWARD[ctx.name])
        return gradient * 2, None, None


class Stage(nn.Module):
    def __init__(self, clock, name):
        super().__init__()
        self.clock, self.name = clock, name

    def forward(self, x):
        return Spend.apply(x, self.clock, self.name)


class Model(nn.Module):
    def __init__(self, clock, gap=0.0):
        super().__init__()
        self.clock, self.gap = clock, gap
        self.stages = nn.ModuleDict({name: Stage(clock, name) for name in FORWARD})

    def forward(self, x):
        for stage in self.stages.values():
            x = stage(x)
        self.clock.advance(self.gap)
        return x.sum()


PATHS = {name: f"stages.{name}" for name in FORWARD}


def times_of(model, clock, paths=PATHS):
    with StageRecorder(clock, model, paths) as recorder:
        loss = model(torch.ones(3, requires_grad=True))
        recorder.start_backward()
        loss.backward()
        recorder.end_backward()
    return recorder.times()


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
