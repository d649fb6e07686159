"""The cases under pytest-benchmark: one process per side, as `pytest --benchmark-compare` is used."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.peers.cases import CALLS, NAMES, PROCESSES, WARM_UPS, case


@pytest.mark.parametrize("name", NAMES)
def test_case(benchmark: Any, name: str) -> None:
    benchmark.pedantic(case(name), rounds=PROCESSES * CALLS, warmup_rounds=WARM_UPS)
