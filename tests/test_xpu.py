"""On an Intel XPU: `pytest -m xpu`, or `make xpu`. Skipped, with the reason, where there is none.

Sparse products are missing in some versions of torch on XPU: such a cell must end in words, never with the run.
"""

import on_device
import pytest
from on_device import CHECKS, Rig, flips

from harness.measure.device_watch import sensor_of

pytestmark = pytest.mark.xpu
RIG = Rig("xpu", width=2048)


@pytest.fixture(scope="module", autouse=True)
def device():
    on_device.skip_without("xpu")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_device(check):
    check(RIG)


@pytest.mark.parametrize(("name", "variant", "mode"), tuple(flips()))
def test_every_level_agrees_with_the_hosts_oracle_or_says_what_is_missing(name, variant, mode):
    on_device.agrees_with_the_hosts_oracle(RIG, name, variant, mode)


def test_smoke_runs_end_to_end_or_says_in_words_what_is_missing(tmp_path):
    result = on_device.smoke_runs_end_to_end(RIG, tmp_path)
    assert result.code == 0 or "sparse" in result.report.lower() or "not implemented" in result.report.lower()


def test_the_clock_is_read_or_it_is_said_why_not():
    import torch

    sensor = sensor_of("xpu", torch.xpu)
    reading = sensor.read()
    assert reading.clock_hz is None or reading.clock_hz > 0
    assert sensor.unread
