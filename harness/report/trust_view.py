"""Can I trust this run? What was measured about the measuring."""

from __future__ import annotations

from collections.abc import Iterator

from harness.lookup import untested
from harness.records import LOST_SHARE_LIMIT, CellSummary, Interval, Part, PartAnalysis
from harness.records.analysis import CLOSURE_GOAL, PROBE_COST_GOAL
from harness.report import numbers, words
from harness.report.calibration_view import calibration_block
from harness.report.lookup import Run
from harness.report.shown import Block, Column, Entry, Mark, Section, Table
from harness.report.text import label, safe

Line = tuple[Entry, Entry, Entry]


def trust_section(run: Run) -> Section:
    blocks = [_block(plan, part, run) for plan, part in run.pairs()]
    calibrated = calibration_block(run.manifest)
    blocks += [calibrated] if calibrated else []
    return Section("trust", "Can I trust this run?", tuple(_lead(run)), (*blocks, _whole(run)))


def _lead(run: Run) -> Iterator[str]:
    if run.manifest.plan.purpose == "calibrate":
        yield "A calibration: every cell stands beside a copy of itself, and whatever a ratio shows is noise."
        return
    for part in run.analysis.parts:
        if untested(part):
            yield f"Part {label(part.part)} is not judged: it is {safe(part.reasons[0])}."
    tested = [part for part in run.analysis.parts if not untested(part)]
    unstable = [part for part in tested if not part.stable]
    if tested and not unstable:
        yield "The control and the canary held still: no reason was found to withhold verdicts for the host's sake."
    for part in unstable:
        name = f"part {label(part.part)}" if len(run.analysis.parts) > 1 else "this run"
        rule = "Its ratios are called where they clear the floor." if part.noise_known else "Its ratios are not called."
        host = "noisy" if part.noise_known else "unstable"
        yield f"The host was {host} in {name}: {safe('; '.join(part.reasons))}. {rule}"
    yield (
        "The control is the baseline measured twice: whatever it shows is noise. The canary is a fixed kernel that no "
        "switch can touch. Nothing is corrected by either."
    )


def _block(plan: Part, part: PartAnalysis, run: Run) -> Block:
    columns = (Column("Check"), Column("This run", True), Column("Should be"), Column("Held"))
    checks = Table("Checks", columns, tuple((*line[:2], line[2], held) for line, held in _checks(part, run)))
    excluded = Table(
        "Excluded, by reason",
        (Column("Reason"), Column("Times", True)),
        tuple((Entry(safe(each.reason)), Entry(str(each.count))) for each in part.exclusions),
    )
    items = (checks, excluded) if part.exclusions else (checks,)
    return Block(run.title(plan.name), words.under(plan), tuple(_sentences(plan, part)), items)


def _sentences(plan: Part, part: PartAnalysis) -> Iterator[str]:
    if not plan.times:
        yield "It has no times and no trials: its outputs, readings and memory are exact, whatever the host does."
        return
    recorded = f"{words.count(part.blocks, 'recorded block')} over {words.count(part.trials, 'trial')}"
    yield (
        f"Of {recorded}, {part.kept} were undisturbed throughout; in the others the disturbed pairs were excluded, "
        "with the figure as the reason, and never deleted."
    )
    unsteady = [label(cell.name) for cell in part.cells if cell.steady is False]
    if unsteady:
        yield f"Warm-up did not reach a steady state in: {'; '.join(unsteady)}."
    degraded = [contrast for contrast in part.contrasts if contrast.degraded]
    if degraded:
        yield f"Degraded, under half of the blocks survived: {words.count(len(degraded), 'contrast')}."
    yield from (f"{safe(note)}." for note in part.notes if note not in plan.notes)
    for cell in part.cells:
        yield from (f"{label(cell.name)}: {safe(note)}." for note in cell.notes)


def _checks(part: PartAnalysis, run: Run) -> Iterator[tuple[Line, Entry]]:
    margin = numbers.share(run.manifest.plan.margin)
    near_one = f"within {margin} of 1"
    if part.control:
        yield (
            _line(_controls(part, run), _interval(part.control), near_one),
            _near_one(part.control, run),
        )
    if part.floor is not None:
        held = _held(part.floor <= run.manifest.plan.margin)
        yield (
            _line(
                "Noise floor: larger end of the control's interval",
                numbers.share(part.floor),
                f"at most the margin, {margin}",
            ),
            held,
        )
    if part.detectable is not None:
        title = "Smallest change, if the only one, that 8 of 10 such runs would have called"
        yield _line(title, f"{numbers.bound(part.detectable)} %", ""), Entry()
    if part.canary:
        yield (
            _line("Canary, second reading over first", _interval(part.canary), near_one),
            _near_one(part.canary, run),
        )
    if part.canary_spread is not None:
        yield _line("Canary between trials, max over min less 1", numbers.share(part.canary_spread), ""), Entry()
    if part.order_effect:
        yield (
            _line("Order: later over earlier of two equal calls", _interval(part.order_effect), near_one),
            _near_one(part.order_effect, run),
        )
    if part.lost_share is not None:
        held = _held(part.lost_share <= LOST_SHARE_LIMIT)
        yield (
            _line(
                "Lost share: time ready to run but not running, median", numbers.share(part.lost_share), "at most 2 %"
            ),
            held,
        )
    if part.closure is not None:
        held = _held(abs(part.closure) < CLOSURE_GOAL)
        goal = words.under_share(CLOSURE_GOAL)
        yield _line("Closure: part of the step outside every stage", numbers.share(part.closure), goal), held
    if part.probe_cost is not None:
        held = _held(part.probe_cost < PROBE_COST_GOAL)
        yield _line("Cost of the stage marks", numbers.share(part.probe_cost), words.under_share(PROBE_COST_GOAL)), held
    yield from _staged(part.cells)
    yield from _warm_up(part.cells)


def _controls(part: PartAnalysis, run: Run) -> str:
    several = sum(cell.control for cell in run.plans[part.part].cells) > 1
    return f"{'Controls' if several else 'Control'} over baseline (A/A){', pooled' if several else ''}"


def _staged(cells: tuple[CellSummary, ...]) -> Iterator[tuple[Line, Entry]]:
    for cell in cells:
        if cell.staged_over_bare:
            title = f"Instrumented over bare step, {label(cell.name)}"
            yield _line(title, _interval(cell.staged_over_bare), "near 1"), Entry()


def _warm_up(cells: tuple[CellSummary, ...]) -> Iterator[tuple[Line, Entry]]:
    known = [cell for cell in cells if cell.steady is not None]
    if known:
        steady = sum(cell.steady is True for cell in known)
        yield _line("Cells steady after warm-up", f"{steady} of {len(known)}", "all"), _held(steady == len(known))
    calls = [cell.warm_up_calls for cell in known if cell.warm_up_calls is not None]
    if calls:
        yield _line("Warm-up calls, fewest to most", f"{min(calls)} to {max(calls)}", ""), Entry()
    first = [cell for cell in known if cell.first_call_s is not None]
    if first:
        slowest = max(first, key=lambda cell: cell.first_call_s or 0.0)
        factor, unit = numbers.time_unit([slowest.first_call_s or 0.0])
        slow = f"{numbers.brief((slowest.first_call_s or 0.0) * factor)} {unit}"
        yield _line(f"Slowest first call ({label(slowest.name)})", slow, ""), Entry()


def _line(title: str, reading: str, goal: str) -> Line:
    return Entry(title), Entry(reading), Entry(goal)


def _interval(interval: Interval) -> str:
    return f"{numbers.with_interval(interval)}, {words.trials(interval)}"


def _near_one(interval: Interval, run: Run) -> Entry:
    margin = run.manifest.plan.margin
    return _held(1 - margin <= interval.low and interval.high <= 1 + margin)


def _held(holds: bool) -> Entry:
    mark: Mark = words.MET_MARK if holds else words.MISSED_MARK
    return Entry(mark=mark)


def _whole(run: Run) -> Block:
    analysis, manifest = run.analysis, run.manifest
    source = manifest.environment.lost_share_source
    sentences = [
        f"{analysis.trials_done} of {words.count(analysis.trials_planned, 'planned trial')} done.",
        f"Lost share was read from {safe(source)}." if source != "none" else "Lost share could not be read here.",
    ]
    if manifest.environment.devices:
        on = words.listed(label(device.kind) for device in manifest.environment.devices)
        sentences.append(
            f"On {on} no lost share is read: pairs are left out where heat, a brake or the hardware held the device "
            "back, or its clock fell; a power cap alone leaves none out."
        )
    if analysis.harness_share is not None:
        sentences.append(
            f"Of the workers' wall time, imports aside, {numbers.share(analysis.harness_share)} went to the harness: "
            "neither warm-up nor samples."
        )
    if manifest.stopped_early:
        sentences.append(f"Stopped early: {safe(manifest.stopped_early)}.")
    sentences += [
        f"Abandoned: {safe(each)}; its blocks stay on disk and enter no estimate." for each in analysis.abandoned
    ]
    sentences.append(_failed(run))
    title = "The run as a whole" if len(analysis.parts) > 1 or manifest.calibration_words else ""
    return Block(title, "", tuple(sentences), ())


def _failed(run: Run) -> str:
    failed = [cell for part in run.analysis.parts for cell in part.cells if cell.outcome != "measured"]
    if not failed:
        return "Every planned cell was measured."
    return f"Without a time: {words.listed(label(cell.name) for cell in failed)} (the reasons stand with every cell)."
