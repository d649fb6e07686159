"""A sample of several calls adds nothing to the calls but what a training step itself needs."""

from types import SimpleNamespace

import pytest

from harness.measure.canary import canary_of
from harness.measure.resident import Resident
from harness.measure.virtual import VirtualClock
from harness.system import Output


class Loss:
    def backward(self) -> None:
        pass


@pytest.mark.parametrize(("loss", "resets"), [(None, 0), (Loss(), 4)])
def test_gradients_are_reset_between_repeated_calls_only_where_there_are_any(loss, resets):
    counts = {"run": 0, "zero": 0}

    def count(name):
        counts[name] += 1

    system = SimpleNamespace(run=lambda *_: count("run") or Output({}, loss))
    model = SimpleNamespace(zero_grad=lambda **_: count("zero"))
    Resident(None, system, "forward", model, None).call_repeatedly(5)
    assert counts == {"run": 5, "zero": resets}


def test_the_canary_sings_the_same_song_every_time():
    clock = VirtualClock()
    canary = canary_of(clock)
    marks = [clock.mark()]
    for _ in range(3):
        canary.sing()
        marks.append(clock.mark())
    assert clock.resolve(marks) == pytest.approx([0.0, 1e-3, 2e-3, 3e-3])
