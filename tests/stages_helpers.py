"""A model of three stages that spend planted seconds of a virtual clock, forward and backward."""

import torch
from torch import nn

from harness.measure.stages import StageRecorder

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
