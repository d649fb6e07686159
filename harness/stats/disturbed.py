"""Samples taken while a device ran far below the clock it had in most of the run.

    slow:  f_sample < (1 - CLOCK_DROP) median over all samples of f        f: processor clock, Hz

A device that is hot, or at its power cap, clocks down by steps and up again: what was measured then is compared with
what was measured at full speed. Samples without a reading are left alone. Nothing is removed: the reason is written
into the sample, and whoever forms an estimate leaves it out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.records import Block, Sample

CLOCK_DROP = 0.05
"""Steps of the clock are below 1 %, and a throttled device loses 10 % and more."""


def with_slow_clocks(blocks: Sequence[Block]) -> list[Block]:
    """The same blocks, in which samples far below the median clock of all say so in `disturbed`."""
    read = [sample.clock_hz for block in blocks for sample in block.samples if sample.clock_hz is not None]
    if not read:
        return list(blocks)
    usual = float(np.median(read))
    return [
        block.model_copy(update={"samples": tuple(_judged(sample, usual) for sample in block.samples)})
        for block in blocks
    ]


def _judged(sample: Sample, usual: float) -> Sample:
    if sample.clock_hz is None or sample.clock_hz >= (1 - CLOCK_DROP) * usual:
        return sample
    reason = f"clock more than {CLOCK_DROP:.0%} below the run's median"
    said = f"{sample.disturbed}; {reason}" if sample.disturbed else reason
    return sample.model_copy(update={"disturbed": said})
