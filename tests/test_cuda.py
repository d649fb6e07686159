"""On a CUDA device: `pytest -m cuda`, or `make cuda`. Skipped, with the reason, where there is none."""

import subprocess
import sys

import on_device
import pytest
from on_device import CHECKS, Rig, flips

from harness.measure.device_findings import device_findings
from harness.measure.device_watch import REASONS, sensor_of
from tests.runner_helpers import environment

pytestmark = pytest.mark.cuda
RIG = Rig("cuda")


@pytest.fixture(scope="module", autouse=True)
def device():
    on_device.skip_without("cuda")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_device(check):
    check(RIG)


@pytest.mark.parametrize(("name", "variant", "mode"), tuple(flips()))
def test_every_level_agrees_with_the_hosts_oracle(name, variant, mode):
    on_device.agrees_with_the_hosts_oracle(RIG, name, variant, mode)


def test_smoke_runs_end_to_end(tmp_path):
    result = on_device.smoke_runs_end_to_end(RIG, tmp_path)
    assert result.code == 0, result.said
    assert "xpu: untested" in result.report or "xpu: not run" in result.report


def test_the_management_library_tells_clock_and_reasons():
    pytest.importorskip("pynvml", reason="nvidia-ml-py is not installed: pip install 'semh[cuda]'")
    import torch

    sensor = sensor_of("cuda", torch.cuda)
    if sensor.unread:
        pytest.skip(sensor.unread)
    reading = sensor.read()
    assert reading.clock_hz > 0
    assert reading.reasons <= set(REASONS.values())
    assert any(what.startswith("cuda") for word, what, _ in device_findings() if word in ("ok", "noisy"))


BREAK_IT = """import torch
from harness.measure.device import works
assert works("cuda")
try:
    torch.zeros(1, device="cuda")[torch.tensor([7], device="cuda")].cpu()
except Exception:
    print(works("cuda"))
"""


def test_a_device_that_met_an_illegal_access_is_known_to_be_lost():
    command = [sys.executable, "-c", BREAK_IT]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    assert done.stdout.split() == ["False"], done.stderr
