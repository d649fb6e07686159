"""One trial: build, warm up, then blocks of interleaved samples. The trial is the unit of inference."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from harness.measure.canary import canary_of
from harness.measure.clock import Clock, ClockError, clock_of, mark_cost
from harness.measure.device import HOSTS
from harness.measure.device_watch import watch_of
from harness.measure.order import LONG_BLOCK_S, Arm, block_order, families
from harness.measure.resident import Resident, not_finite, settle_in
from harness.measure.stages import StageRecorder
from harness.measure.workshop import Workshop
from harness.records import Block, MarkCost, Sample, WarmUp

SHORTEST_SAMPLE_S = 1e-3
SLOW_CALL_S = 0.1
WINDOW = 5
AGREE = 0.02
SPREAD_FACTOR = 2.0
WARM_UP_SHARE = 0.25
DRIFT = 0.05
FASTEST_FLOPS = 4e11
"""Per second and thread: above what one core does in float32."""
FASTEST_DEVICE_FLOPS = 1e16
"""Per second: above what one accelerator does in its lowest precision."""
WRAPPED = "the device's timer wrapped"


def run_trial(shop: Workshop) -> None:
    clock = clock_of(shop.device)
    residents = _build(shop)
    shop.write(MarkCost(mark_s=mark_cost(clock)))
    warm = {id_: warm_up(shop, resident, clock) for id_, resident in residents.items()}
    warm_ups = {id_: record for id_, record in warm.items() if record is not None}
    bench = _Bench(shop, clock, residents, warm_ups)
    gc.collect()
    gc.freeze()  # what is alive now stays: to walk through torch's own objects costs more than many a block
    for number in range(shop.part.blocks):
        gc.collect()
        gc.disable()  # a collection inside a sample would be charged to whichever cell it hit
        block = bench.block(number)
        gc.enable()
        shop.write(block)
    shop.write(
        *(record.model_copy(update={"steady": record.steady and bench.steady(record)}) for record in warm_ups.values())
    )


def _build(shop: Workshop) -> dict[str, Resident]:
    residents: dict[str, Resident] = {}
    share = None
    for position, cell in enumerate(shop.cells):
        with shop.guarded(cell.id, "build", 0.1 * position / len(shop.cells)):
            residents[cell.id] = settle_in(cell, shop.system, shop.part.mode, shop.plan.seed, share, shop.batches)
            share = share or residents[cell.id].model
    return residents


def warm_up(shop: Workshop, resident: Resident, clock: Clock) -> WarmUp | None:
    """Calls until two successive windows agree in median and spread, at most a quarter of the trial.

    A cell over 100 ms gets one call, checked by the drift of its first block. A first call alone does not show that
    (compiled code is loaded in it), so a second one is spared only where the arithmetic alone must take that long.
    None if the cell failed.
    """
    with shop.guarded(resident.cell.id, "warm-up", 0.1):
        start = time.perf_counter()
        first = _seconds(resident, clock, check=shop)
        if resident.cell.id in shop.failed:
            return None
        typical, calls, steady = first, 1, True
        if not _surely_slow(shop, resident):
            typical, calls = _seconds(resident, clock), 2
        if typical <= SLOW_CALL_S:
            calls, steady, typical = _windows(shop, resident, clock, typical)
        shop.sampled_s += time.perf_counter() - start
        repeat = max(1, int(np.ceil(SHORTEST_SAMPLE_S / max(typical, 1e-9))))
        return WarmUp(
            cell=resident.cell.id, first_call_s=first, calls=calls, steady=steady, repeat=repeat, typical_s=typical
        )
    return None


def _surely_slow(shop: Workshop, resident: Resident) -> bool:
    cell = resident.cell
    flops = shop.system.estimate(cell.variant, cell.conditions, shop.part.mode).flops
    fastest = FASTEST_FLOPS * shop.threads if shop.device in HOSTS else FASTEST_DEVICE_FLOPS
    return flops / fastest > SLOW_CALL_S


def _windows(shop: Workshop, resident: Resident, clock: Clock, typical: float) -> tuple[int, bool, float]:
    sampled = shop.part.blocks * max(typical, SHORTEST_SAMPLE_S)
    cap = max(2 * WINDOW, int(sampled * WARM_UP_SHARE / (1 - WARM_UP_SHARE) / max(typical, 1e-9)))
    times: list[float] = []
    while len(times) < cap:
        times += [_seconds(resident, clock) for _ in range(WINDOW)]
        if len(times) >= 2 * WINDOW and _agree(times[-2 * WINDOW : -WINDOW], times[-WINDOW:]):
            return len(times) + 2, True, float(np.median(times[-WINDOW:]))
    return len(times) + 2, False, float(np.median(times[-WINDOW:]))


def _agree(before: list[float], after: list[float]) -> bool:
    medians = np.median(before), np.median(after)
    spreads = np.ptp(before) + 1e-9, np.ptp(after) + 1e-9
    return bool(
        abs(np.log(medians[1] / max(medians[0], 1e-12))) <= AGREE
        and 1 / SPREAD_FACTOR <= spreads[1] / spreads[0] <= SPREAD_FACTOR
    )


def _seconds(resident: Resident, clock: Clock, check: Workshop | None = None) -> float:
    numbers: dict[str, Any] = {}
    for _ in range(3):  # a device's timer wraps once in minutes: a call that met it is made again
        resident.prepare()
        clock.synchronise()
        start = clock.mark()
        if check is None:
            resident.call()
        else:
            numbers = resident.first_call()
        end = clock.mark()
        seconds = clock.resolve([start, end])[1]
        if not math.isnan(seconds):
            break
    else:
        raise ClockError(f"{WRAPPED} in three calls running")
    if check is not None:
        bad = not_finite(resident.cell.id, numbers, "warm-up")
        if bad is not None:
            check.fail(bad)
    return seconds


class Timing(NamedTuple):
    """Fields of a Sample that one reading gives."""

    time_s: float
    """0 where the clock could not tell: such a time is compared with nothing."""
    cpu_s: float | None
    lost_share: float | None
    clock_hz: float | None
    disturbed: str


class _Bench:
    """The cells of a trial, ready, and the order of its blocks."""

    def __init__(
        self, shop: Workshop, clock: Clock, residents: dict[str, Resident], warm_ups: dict[str, WarmUp]
    ) -> None:
        self.shop, self.clock, self.residents, self.warm_ups = shop, clock, residents, warm_ups
        self.watch = watch_of(shop.device, shop.threads)
        self.canary = canary_of(clock)
        self.times: dict[str, list[float]] = {}
        ready = [shop_cell for shop_cell in shop.cells if shop_cell.id in warm_ups]
        self.cells = families(ready)
        self.family_of = {cell: base for base, others in self.cells.items() for cell in (base, *others)}
        self.staged = bool(shop.part.stages) and bool(shop.system.stages)
        self.long = sum(record.typical_s * record.repeat for record in warm_ups.values()) > LONG_BLOCK_S

    def block(self, number: int) -> Block:
        shop = self.shop
        seed = (shop.plan.seed, shop.process.trial, shop.process.group)
        places = block_order(self.cells, staged=self.staged, seed=seed, block=number, long=self.long)
        last = {(self.family_of[cell], arm): cell for cell, arm in places}
        if places:
            self._call_untimed(places[-1][0], f"block {number + 1}/{shop.part.blocks}", 0.2)
        samples: list[Sample] = [self._canary(0)]
        here: tuple[str, Arm] | None = None
        for position, (cell, arm) in enumerate(places, start=1):
            done = 0.2 + 0.8 * (number + position / (len(places) + 1)) / shop.part.blocks
            doing = f"block {number + 1}/{shop.part.blocks}"
            if here != (self.family_of[cell], arm):
                here = self.family_of[cell], arm
                self._call_untimed(last[here], doing, done)
            if cell in shop.failed:
                continue
            with shop.guarded(cell, doing, done):
                samples.append(self._sample(self.residents[cell], arm, position))
        samples.append(self._canary(len(places) + 1))
        for sample in samples:
            if sample.arm == "bare" and sample.quiet:
                self.times.setdefault(sample.cell, []).append(sample.time_s)
        return Block(
            part=shop.part.name,
            group=shop.process.group,
            trial=shop.process.trial,
            block=number,
            samples=tuple(samples),
        )

    def steady(self, record: WarmUp) -> bool:
        """For slow cells: the first undisturbed sample agrees with the others."""
        first, *others = self.times.get(record.cell, [0.0])
        if record.typical_s <= SLOW_CALL_S or not others:
            return True
        return bool(abs(np.log(first / np.median(others))) <= DRIFT)

    def _call_untimed(self, cell: str, doing: str, done: float) -> None:
        """Where a block begins, and where it comes to other cells: the first call after a stranger's pays for cold
        caches, and being first is no cell's doing. The cell that comes last makes it, so that all follow one of their
        own kind and none itself, and both canaries of a block follow the same cell. A call over 100 ms hardly notices.
        """
        if cell in self.shop.failed or self.warm_ups[cell].typical_s > SLOW_CALL_S:
            return
        start = time.perf_counter()
        with self.shop.guarded(cell, doing, done):
            self.residents[cell].prepare()
            self.residents[cell].call()
            self.clock.synchronise()
        self.shop.sampled_s += time.perf_counter() - start

    def _canary(self, position: int) -> Sample:
        self.canary.sing()  # untimed: after a model's call the first song pays for cold caches, after a song none does
        timing = self._timed(self.canary.sing)
        return Sample(cell="canary", arm="canary", position=position, **timing._asdict())

    def _sample(self, resident: Resident, arm: Arm, position: int) -> Sample:
        resident.prepare()
        if arm == "staged":
            return self._staged(resident, position)
        repeat = self.warm_ups[resident.cell.id].repeat
        timing = self._timed(lambda: resident.call_repeatedly(repeat))
        self.shop.sampled_s += timing.time_s
        cpu_s = None if timing.cpu_s is None else timing.cpu_s / repeat
        once = timing._replace(time_s=timing.time_s / repeat, cpu_s=cpu_s)
        return Sample(cell=resident.cell.id, arm="bare", position=position, repeat=repeat, **once._asdict())

    def _staged(self, resident: Resident, position: int) -> Sample:
        paths = {name: path for name, path in self.shop.system.stages.items() if name in self.shop.part.stages}
        with StageRecorder(self.clock, resident.model, paths) as recorder:
            timing = self._timed(lambda: resident.call_in_stages(recorder))
        self.shop.sampled_s += timing.time_s
        return Sample(
            cell=resident.cell.id,
            arm="staged",
            position=position,
            stages=recorder.times() if timing.time_s else None,
            marks=len(recorder.marks),
            **timing._asdict(),
        )

    def _timed(self, work: Callable[[], object]) -> Timing:
        before = self.watch.read()
        self.clock.synchronise()
        start = self.clock.mark()
        work()
        end = self.clock.mark()
        after = self.watch.read()  # while a device is still at work: what it does at rest is not asked
        time_s = self.clock.resolve([start, end])[1]
        noticed = self.watch.between(before, after)
        if math.isnan(time_s):
            time_s, noticed = 0.0, replace(noticed, disturbed=WRAPPED)
        return Timing(time_s, **vars(noticed))
