"""Claims about the two passes of a call, about two threads, and about memory: planted ratios are found, planted noise
takes the word away."""

import dataclasses

import pytest
from analysis_helpers import World, cell, world

from harness.analysis import analyse_lines
from harness.claims.ledger import read_ledger
from harness.errors import SuiteError
from harness.records import LINE, Block, ClaimVerdict, Outcome, StageMemory
from harness.report import markdown
from harness.report.view import view

PASSES = {"step": 0.4, "step.backward": 0.5, "optimiser": 0.1}


def ledger(address: str, stated: float, relation: str) -> dict[str, str]:
    text = (
        f"document: d.md\nclaims:\n  - {{id: d.one, section: s, line: 1, line_sha256: {'a' * 64}, statement: s, "
        f"kind: measured, relation: {relation}, stated: {stated}, unit: times, scope: s, "
        f"judged_by: [{{suite: fake, part: p, {address}}}]}}\n"
    )
    return {"d.yaml": text}


def claimed(address: str, stated: float, relation: str = "at_most", **changes: object) -> World:
    return world(claims=("d.*",), claims_text=ledger(address, stated, relation), **changes)


def judged(made: World, lines=None) -> ClaimVerdict:
    (found,) = analyse_lines(made.manifest, made.lines if lines is None else lines).claims
    return found


def resampled(made: World, change):
    """The lines with every sample as `change(sample, block)` gives it."""
    found = {}
    for number, lines in made.lines.items():
        found[number] = [
            line.model_copy(update={"samples": tuple(change(one, line) for one in line.samples)})
            if isinstance(line, Block)
            else line
            for line in lines
        ]
    return found


STEP = "metric: passes, stage: step"


@pytest.mark.parametrize(("stated", "word"), [(1.3, "supported"), (1.2, "refuted"), (1.25, "inconclusive")])
@pytest.mark.parametrize("address", [STEP, "metric: passes"])
def test_the_passes_are_backward_over_forward_without_the_update(address, stated, word):
    found = judged(claimed(address, stated, stages=PASSES, stage_noise=dict.fromkeys(PASSES, 0.002)))
    assert found.verdict == word
    assert found.measured.point == pytest.approx(1.25, abs=0.005)
    assert (found.measured.n, len(found.trials), found.counted) == (6, 6, False)


def test_what_slows_whole_calls_leaves_the_passes_alone():
    """Every other trial three times as slow, and the control a fifth slower than its baseline: ratios are not called by
    a floor of 20 %, passes are."""
    steady = dict.fromkeys(PASSES, 0.002)
    made = claimed(STEP, 1.3, stages=PASSES, stage_noise=steady, speed=lambda trial: 1.0 + 2 * (trial % 2))
    made = dataclasses.replace(made, times=lambda one: 0.012 if one.control else 0.01)
    assert analyse_lines(made.manifest, made.lines).parts[0].floor > 0.15
    assert judged(made).verdict == "supported"


def test_the_floor_of_the_passes_is_what_the_controls_passes_differ_by():
    """A backward pass that is a tenth longer in an equal cell: 1.25 is not told from 1.3."""
    made = claimed(STEP, 1.3, stages=PASSES, stage_noise=dict.fromkeys(PASSES, 0.002))
    control = next(one.id for one in made.cells if one.control)
    made = dataclasses.replace(made, stage_factors={(control, "step.backward"): 1.1})
    (part,) = analyse_lines(made.manifest, made.lines).parts
    floor = next(one.floor for one in part.passes if one.stage == "step")
    assert floor == pytest.approx(0.1, abs=0.01)
    found = judged(made)
    assert found.verdict == "inconclusive"
    assert found.reason == f"within the noise floor of the passes of {floor:.1%}: without it supported"


@pytest.mark.parametrize(
    ("changes", "word", "reason"),
    [
        ({"preset": "smoke"}, "untested", "smoke gives no verdicts"),
        ({"broken": ("base",)}, "invalid", "other numbers than the oracle"),
        ({"unchecked": ("base",)}, "inconclusive", "not compared"),
        ({"canary_drift": 1.2}, "inconclusive", "unstable host"),
        ({"staged_lost": lambda *_: 0.3}, "inconclusive", "disturbed"),
        ({"times": lambda _: 40e-6}, "inconclusive", "too short for its clock"),
        ({"stages": {"step": 1.0}}, "untested", "not timed in both directions"),
    ],
)
def test_a_doubt_takes_the_word_of_the_passes_away(changes, word, reason):
    found = judged(claimed(STEP, 1.3, **{"stages": PASSES, **changes}))
    assert found.verdict == word
    assert reason in found.reason


def test_passes_without_a_control_of_their_own_are_not_judged():
    made = claimed(STEP, 1.3, stages=PASSES)

    def bare(one, _):
        return one.model_copy(update={"stages": {"step": 1.0}}) if (one.cell, one.arm) == ("control", "staged") else one

    found = judged(made, resampled(made, bare))
    assert found.verdict == "inconclusive"
    assert "no control's passes were timed" in found.reason


def threaded(gain: float, **changes: object):
    """A baseline and another under one and two threads, a control of either baseline; two threads `gain` times as
    fast."""
    made = []
    for threads in (1, 2):
        under, base = {"threads": threads}, f"base{threads}"
        for name, level, control in (("baseline", "a", False), ("eps=b", "b", False), ("control", "a", True)):
            own = base if name == "baseline" else f"{name}{threads}"
            told = f"{name}, threads={threads}"
            made.append(cell(told, {"eps": level}, baseline=base, conditions=under, id=own, control=control))
    usual = {"cells": made, "varied": {"threads": (1, 2)}, "design": "pair", "threads": 2}
    return {**usual, "times": lambda one: 0.01 / (gain if one.conditions["threads"] == 2 else 1), **changes}


SPEEDUP = "metric: speedup"


@pytest.mark.parametrize(("gain", "word"), [(1.9, "supported"), (1.5, "refuted"), (1.7, "inconclusive")])
def test_a_speedup_is_time_under_the_first_value_over_time_under_the_last(gain, word):
    found = judged(claimed(SPEEDUP, 1.7, "at_least", **threaded(gain)))
    assert found.verdict == word
    assert found.measured.point == pytest.approx(gain, rel=0.002)
    assert (found.measured.n, len(found.trials), found.counted) == (6, 6, False)
    other = judged(claimed(f"{SPEEDUP}, changes: {{eps: b}}", 1.7, "at_least", **threaded(gain)))
    assert other.measured.point == pytest.approx(gain, rel=0.002)


def test_the_noise_between_processes_is_in_the_interval_of_a_speedup():
    """The process of two threads is by turns a quarter faster and slower: the mean is past 1.7, and no word."""
    made = claimed(SPEEDUP, 1.7, "at_least", **threaded(1.8))

    def uneven(one, block):
        factor = 1.25 if block.trial % 2 else 1 / 1.25
        return one.model_copy(update={"time_s": one.time_s * factor}) if one.cell.endswith("2") else one

    found = judged(made, resampled(made, uneven))
    assert found.measured.point == pytest.approx(1.8, rel=0.01)
    assert (found.measured.low < 1.6, found.verdict) == (True, "inconclusive")


def test_the_floor_of_a_speedup_is_that_of_its_noisiest_process():
    """Equals that differ by a tenth under two threads alone."""
    made = claimed(SPEEDUP, 1.7, "at_least", **threaded(1.8))
    times = made.times
    made = dataclasses.replace(made, times=lambda one: times(one) * (1.1 if one.id == "control2" else 1))
    found = judged(made)
    assert found.verdict == "inconclusive"
    assert "within the noise floor of 10" in found.reason


@pytest.mark.parametrize(
    ("changes", "word", "reason"),
    [
        ({"preset": "smoke"}, "untested", "smoke gives no verdicts"),
        ({"broken": ("base1",)}, "invalid", "other numbers than the oracle"),
        ({"broken": ("base2",)}, "invalid", "other numbers than the oracle"),
        ({"canary_drift": 1.2}, "inconclusive", "unstable host"),
        ({"lost": lambda *at: 0.3 if at[2] == "base2" else 0.0}, "inconclusive", "disturbed"),
        ({"outcomes": [Outcome(cell="base2", outcome="crashed", detail="")]}, "untested", "crashed"),
        ({"varied": {}}, "untested", "not measured under two values"),
    ],
)
def test_a_doubt_of_either_process_takes_the_word_of_a_speedup_away(changes, word, reason):
    found = judged(claimed(SPEEDUP, 1.7, "at_least", **threaded(1.9, **changes)))
    assert found.verdict == word
    assert reason in found.reason


def test_the_report_tells_passes_speedups_and_gradients():
    made = claimed(STEP, 1.3, stages=PASSES)
    lines = remembered(made)
    document = markdown.document(view(made.manifest, analyse_lines(made.manifest, lines)))
    assert "base: its backward pass takes 1.25" in document
    assert "base: of its peak of 1000 B all but 900.0 B are gradients" in document
    made = claimed(SPEEDUP, 1.7, "at_least", **threaded(1.9))
    document = markdown.document(view(made.manifest, analyse_lines(made.manifest, made.lines)))
    assert "baseline, threads=2: under threads 2 1.90" in document


def test_picked_threads_are_refused_in_words():
    found = judged(claimed(f"{SPEEDUP}, where: {{threads: [2]}}", 1.7, "at_least", **threaded(1.9)))
    assert (found.verdict, "picks values of threads" in found.reason) == ("untested", True)


MEMORY = {"base": (1000, 150, 100), "matrix=cached": (400, 300, 100)}
"""Cell -> peak, the parameters' gradients, and those of them that the peak holds."""


def remembered(made: World, memory=MEMORY, lines=None):
    lines = made.lines if lines is None else lines
    lines[2] += [
        StageMemory(
            cell=one,
            allocator_peak_bytes=peak,
            gradient_bytes=gradients,
            peak_gradient_bytes=there,
            saved_bytes=0,
            stages={},
        )
        for one, (peak, gradients, there) in memory.items()
    ]
    return lines


CACHED = "metric: memory, changes: {matrix: cached}"
ROWS = {"conditions": {"threads": 1, "rows": 30}}


def with_rows(made: World) -> World:
    return dataclasses.replace(made, cells=[one.model_copy(update=ROWS) for one in made.cells])


@pytest.mark.parametrize(
    ("address", "percent"),
    [
        (CACHED, 100 * 300 / 900),
        (f"{CACHED}, beside: 5 * rows", 100 * 150 / 750),
        (f"{CACHED}, of: 100 * rows", 10.0),
        (f"{CACHED}, of: 100 * rows, beside: 5 * rows", 5.0),
        ("metric: memory, of: 100 * rows", 30.0),
    ],
)
def test_memory_is_told_above_the_gradients_in_it_and_what_is_stated_beside_them(address, percent):
    """On a host whose canary moved: bytes repeat exactly. Gradients that come after the peak take nothing off."""
    made = with_rows(claimed(address, percent, canary_drift=1.2))
    found = judged(made, remembered(made))
    assert found.measured.point == found.measured.low == found.measured.high == pytest.approx(percent)
    assert (found.verdict, found.counted) == ("supported", True)
    less = with_rows(claimed(address, percent - 0.1))
    assert judged(less, remembered(less)).verdict == "refuted"


@pytest.mark.parametrize(
    ("address", "memory", "word", "reason"),
    [
        (CACHED, {"matrix=cached": (400, 100, 100)}, "untested", "no memory above its gradients was read of base"),
        (CACHED, {"base": (1, None, None), "matrix=cached": (9, 1, 1)}, "untested", "was read of base"),
        (CACHED, {**MEMORY, "base": (1000, 100, None)}, "untested", "gradients base held at its peak was not read"),
        (CACHED, {**MEMORY, "matrix=cached": (400, 100, None)}, "untested", "cached held at its peak was not read"),
        (
            f"{CACHED}, of: 9 * rows",
            {**MEMORY, "matrix=cached": (400, 100, None)},
            "untested",
            "at its peak was not read",
        ),
        (CACHED, {**MEMORY, "matrix=cached": (300, 400, 400)}, "untested", "-100 bytes are left"),
        (CACHED, {**MEMORY, "matrix=cached": (400, 400, 400)}, "untested", " 0 bytes are left"),
        (f"{CACHED}, of: 9 * rows, beside: 10 * rows", MEMORY, "untested", " 0 bytes are left"),
        (CACHED, {**MEMORY, "base": (100, 100, 100)}, "untested", "0 bytes are no whole"),
        (f"{CACHED}, of: 4 * columns", MEMORY, "untested", "no name 'columns'"),
        (f"{CACHED}, of: 0 * rows", MEMORY, "untested", "0 bytes are no whole"),
    ],
)
def test_memory_that_was_not_read_is_no_memory(address, memory, word, reason):
    made = with_rows(claimed(address, 30))
    found = judged(made, remembered(made, memory))
    assert found.verdict == word
    assert reason in found.reason


def test_a_stated_whole_asks_nothing_of_the_gradients_of_the_other_cell():
    made = with_rows(claimed(f"{CACHED}, of: 100 * rows", 10))
    assert judged(made, remembered(made, {**MEMORY, "base": (1000, 100, None)})).verdict == "supported"


@pytest.mark.parametrize(
    ("address", "other", "word"),
    [
        (CACHED, {"base": (1001, 150, 100)}, "inconclusive"),
        (CACHED, {"matrix=cached": (400, 301, 100)}, "inconclusive"),
        (CACHED, {"matrix=cached": (400, 300, 101)}, "inconclusive"),
        (CACHED, {"matrix=cached": (400, 300, 100)}, "supported"),
        (f"{CACHED}, of: 100 * rows", {"base": (1001, 150, 100)}, "supported"),
    ],
)
def test_two_readings_of_memory_that_differ_take_its_word_away(address, other, word):
    made = with_rows(claimed(address, 50))
    found = judged(made, remembered(made, lines=remembered(made, other)))
    assert found.verdict == word
    assert (word == "supported") == (f"of {next(iter(other))} differ" not in found.reason)


def test_a_record_from_before_loads_and_its_memory_is_not_judged():
    made = with_rows(claimed(CACHED, 50))
    lines = remembered(made)
    old = {"kind", "cell", "allocator_peak_bytes", "gradient_bytes", "saved_bytes", "stages"}
    lines[2] = [
        LINE.validate_json(line.model_dump_json(include=old)) if isinstance(line, StageMemory) else line
        for line in lines[2]
    ]
    found = judged(made, lines)
    assert (found.verdict, "at its peak was not read" in found.reason) == ("untested", True)


@pytest.mark.parametrize(("broken", "word"), [("base", "invalid"), ("matrix=cached", "invalid"), ("native", "refuted")])
def test_memory_of_wrong_outputs_is_invalid(broken, word):
    made = claimed(CACHED, 30, broken=(broken,))
    assert judged(made, remembered(made)).verdict == word


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("metric: ratio, of: 4 * rows", "only memory has them"),
        ("metric: memory, of: 4 rows", "is no formula"),
    ],
)
def test_an_address_of_memory_that_means_nothing_is_refused(address, said):
    with pytest.raises(SuiteError, match=said):
        read_ledger(ledger(address, 1, "at_most"))
