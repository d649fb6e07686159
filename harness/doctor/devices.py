"""Devices besides the processor, as `measure/device_findings` tells of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from harness.doctor.finding import Finding, Word
from harness.measure.device_findings import device_findings


def devices() -> Iterator[Finding]:
    for word, what, advice in device_findings():
        yield Finding(cast(Word, word), what, advice)
