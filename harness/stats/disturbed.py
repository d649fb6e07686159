"""Samples judged by the clock that a device had while they were taken.

    slow:  f_sample < (1 - CLOCK_DROP) median over all samples of f        f: processor clock, Hz

A device that is hot, or at its power cap, clocks down by steps and up again: what was measured then is compared with
what was measured at full speed. Samples without a reading are left alone. Nothing is removed: the reason is written
into the sample, and whoever forms an estimate leaves it out.

A power cap is a reason only with such a fall. Full work holds a large device at its cap from the first sample to the
last (an H100 in 80 of 112, at 1935 to 1980 MHz): there the cap is what the work costs, for both sides of a pair.
Heat, a brake and the hardware's own slowdown come from elsewhere and are reasons by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.records import Block, Sample

CLOCK_DROP = 0.05
"""Steps of the clock are below 1 %, and a throttled device loses 10 % and more."""
CAP = "power cap"
CAPPED = f"throttled: {CAP}"
"""As `DeviceWatch` writes it, where the cap is the only reason."""


def judged_by_clock(blocks: Sequence[Block]) -> list[Block]:
    """The same blocks, in which samples far below the median clock of all say so in `disturbed`, and those that met
    their power cap and no fall of the clock say nothing."""
    read = _clocks(blocks)
    if not read:
        return list(blocks)
    usual = float(np.median(read))
    return [
        block.model_copy(update={"samples": tuple(_judged(sample, usual) for sample in block.samples)})
        for block in blocks
    ]


def _judged(sample: Sample, usual: float) -> Sample:
    if sample.clock_hz is None:
        return sample
    if sample.clock_hz >= (1 - CLOCK_DROP) * usual:
        return sample.model_copy(update={"disturbed": ""}) if sample.disturbed == CAPPED else sample
    reason = f"clock more than {CLOCK_DROP:.0%} below the run's median"
    said = f"{sample.disturbed}; {reason}" if sample.disturbed else reason
    return sample.model_copy(update={"disturbed": said})


def clock_note(blocks: Sequence[Block]) -> str:
    """What the clock did, in words, of blocks as they were recorded; empty where it was not read."""
    read = _clocks(blocks)
    if not read:
        return ""
    low, usual, high = (f"{hertz / 1e6:.0f}" for hertz in (min(read), float(np.median(read)), max(read)))
    clock = f"the device's clock was between {low} and {high} MHz, {usual} in the median"
    capped = sum(CAP in sample.disturbed for block in blocks for sample in block.samples)
    return f"{clock}; {capped} of {len(read)} samples met its power cap" if capped else clock


def _clocks(blocks: Sequence[Block]) -> list[float]:
    return [sample.clock_hz for block in blocks for sample in block.samples if sample.clock_hz is not None]
