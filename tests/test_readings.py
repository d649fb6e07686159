"""What probes read: asked for by a suite, beside the baseline's reading, and where it moved most."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import plan_helpers
import pytest
from analysis_helpers import part
from claims_helpers import claim, judged, world
from plan_helpers import GB, SYSTEM, plan_of
from readings_helpers import Reader, reader, stored
from runner_helpers import fake_suite, measured

from harness.analysis import analyse
from harness.calibrate import calibration_plan
from harness.errors import SuiteError
from harness.records import CellReading, Outcome, PartAnalysis, ReadingMove
from harness.system import Probe

GRID = "design: grid\nbaseline: status_quo\nfactors: {matrix: [rebuild, cached]}\n"
NAMES = ("encoder.plan_entropy", "encoder.marginal_error", "propagator.iterations_mean", "propagator.outcome")


@pytest.fixture
def probing(monkeypatch: pytest.MonkeyPatch) -> None:
    probes = tuple(Probe(name, "", "") for name in NAMES)
    monkeypatch.setattr(plan_helpers, "SYSTEM", dataclasses.replace(SYSTEM, probes=probes))


@pytest.mark.usefixtures("probing")
@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("[propagator.outcome, encoder.plan_entropy]", ("propagator.outcome", "encoder.plan_entropy")),
        ("['encoder.*']", ("encoder.plan_entropy", "encoder.marginal_error")),
        ("['*_mean', 'prop*', propagator.outcome]", ("propagator.iterations_mean", "propagator.outcome")),
    ],
)
def test_a_part_reads_each_probe_that_is_meant_once_in_the_order_asked_for(
    tmp_path: Path, asked: str, meant: tuple[str, ...]
) -> None:
    plan = plan_of(tmp_path, f"{GRID}reads: {asked}\n")
    assert plan.parts[0].reads == meant
    assert plan_of(tmp_path, GRID).parts[0].reads == ()
    assert calibration_plan(plan, 1000 * GB).parts[0].reads == ()


@pytest.mark.usefixtures("probing")
@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("[encoder.plan_entropy, encoder.plan_entrpy]", "reads: no probe 'encoder.plan_entrpy'; sem offers encoder."),
        ("['mixer.*']", "reads: no probe 'mixer.*'; sem offers encoder.plan_entropy, encoder.marginal_error,"),
        ("[3]", "reads: found 3; reads takes a list of the system's probes, or of patterns with *"),
        ("encoder.plan_entropy", "reads: found 'encoder.plan_entropy'; reads takes a list of the system's probes"),
    ],
)
def test_a_probe_that_is_none_is_one_error_with_its_line(tmp_path: Path, asked: str, said: str) -> None:
    with pytest.raises(SuiteError, match=r"^[^\n]+$") as error:
        plan_of(tmp_path, f"{GRID}reads: {asked}\n")
    assert str(error.value).startswith(f"{tmp_path / 'seop.yaml'}:7: {said}")


def test_a_system_without_probes_says_so(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="no probe 'residual'; sem offers none"):
        plan_of(tmp_path, f"{GRID}reads: [residual]\n")


def read(made: Reader) -> dict[tuple[str, str], CellReading]:
    return {(one.probe, one.cell): one for one in part(made).readings}


def moved(made: Reader) -> dict[str, ReadingMove]:
    return {one.probe: one for one in part(made).reading_moves}


ENTROPY = {"fixed-64": 2.0, "dimension-64": 0.5, "annealed-64": 3.0, "fixed-4096": 4.0, "dimension-4096": 4.0}


def test_a_reading_stands_beside_that_of_the_baseline_under_the_same_conditions() -> None:
    found = read(reader({"entropy": ENTROPY | {"annealed-4096": -1.0}}))
    assert [cell for _, cell in found] == [
        f"{level}-{length}" for length in (64, 4096) for level in ("fixed", "dimension", "annealed")
    ]
    expected = {
        "fixed-64": (2.0, None, None),
        "dimension-64": (0.5, -1.5, 0.25),
        "annealed-64": (3.0, 1.0, 1.5),
        "fixed-4096": (4.0, None, None),
        "dimension-4096": (4.0, 0.0, 1.0),
        "annealed-4096": (-1.0, -5.0, None),
    }
    assert {cell: (one.value, one.change, one.ratio) for (_, cell), one in found.items()} == expected
    assert {(one.count, one.low, one.high, one.missing) for one in found.values()} == {(1, None, None, "")}


def test_from_zero_there_is_a_change_and_no_ratio() -> None:
    found = read(reader({"ties": {"fixed-64": 0.0, "dimension-64": 5.0, "annealed-64": 0.0}}, (64,)))
    assert [(one.change, one.ratio) for one in found.values()] == [(None, None), (5.0, None), (0.0, None)]


def test_a_reading_near_the_smallest_number_still_has_a_ratio() -> None:
    found = read(reader({"tiny": {"fixed-64": 1e-300, "dimension-64": 4e-300}}, (64,)))
    assert found["tiny", "dimension-64"].ratio == pytest.approx(4)


def test_what_several_groups_read_differently_is_told_by_its_ends() -> None:
    again = ({"fixed-64": {"entropy": 1.5, "ties": 7.0}}, {"fixed-64": {"entropy": 2.25, "ties": 7.0}})
    made = reader({"entropy": ENTROPY, "ties": {"fixed-64": 7.0}}, again=again)
    known = read(made)
    one, same = known["entropy", "fixed-64"], known["ties", "fixed-64"]
    assert (one.value, one.count, one.low, one.high) == (2.25, 3, 1.5, 2.25)
    assert (same.value, same.count, same.low, same.high) == (7.0, 3, None, None)
    assert known["entropy", "dimension-64"].change == 0.5 - 2.25


def test_what_read_nothing_says_why() -> None:
    lost = Outcome(cell="dimension-64", outcome="timed_out", detail="no answer after 10 s")
    made = reader({"entropy": {"fixed-64": 2.0}, "ties": {"annealed-4096": 1.0}}, outcomes=[lost])
    known = read(made)
    assert known["entropy", "dimension-64"].missing == "timed out"
    assert known["entropy", "annealed-64"].missing == "not read"
    assert (known["entropy", "annealed-64"].value, known["entropy", "annealed-64"].count) == (None, 0)
    assert known["entropy", "fixed-64"].missing == ""
    assert known["ties", "annealed-4096"].change is None


@pytest.mark.parametrize(
    ("values", "cell"),
    [
        ({"fixed-64": 2.0, "dimension-64": 0.5, "annealed-64": 6.0}, "dimension-64"),
        ({"fixed-64": 2.0, "dimension-64": 1.0, "annealed-64": 6.0}, "annealed-64"),
        ({"fixed-64": 2.0, "dimension-64": 1.0, "annealed-64": 0.0}, "annealed-64"),
        ({"fixed-64": 2.0, "dimension-64": -0.1, "annealed-64": 0.0}, "dimension-64"),
        ({"fixed-64": 0.0, "dimension-64": -1.0, "annealed-64": 3.0}, "annealed-64"),
        ({"fixed-64": 2.0, "dimension-64": 1.0, "fixed-4096": 8.0, "annealed-4096": 2.0}, "annealed-4096"),
        ({"fixed-64": 2.0, "dimension-64": 1.0, "fixed-4096": 900.0, "annealed-4096": 800.0}, "dimension-64"),
        ({"fixed-64": 2.0, "dimension-64": 2.0, "annealed-4096": 800.0, "annealed-64": 2.1}, "annealed-64"),
    ],
)
def test_the_largest_ratio_either_way_is_the_largest_move(values: dict[str, float], cell: str) -> None:
    """From and to zero is more than any ratio, and across it still more."""
    found = moved(reader({"entropy": values}))["entropy"]
    start = cell.replace("dimension", "fixed").replace("annealed", "fixed")
    assert (found.against, found.cell) == (start, cell)
    assert (found.before, found.after) == (values[start], values[cell])
    alike = found.before * found.after > 0
    assert found.ratio == (found.after / found.before if alike else None)


def test_a_move_counts_the_cells_that_were_compared_and_those_that_moved() -> None:
    values = ENTROPY | {"annealed-4096": 9.0}
    found = moved(reader({"entropy": {key: value for key, value in values.items() if key != "annealed-64"}}))["entropy"]
    assert (found.moved, found.compared) == (2, 3)


def test_where_no_level_moves_a_reading_the_conditions_are_held_against_each_other() -> None:
    lengths = (64, 512, 4096)
    falling = {64: 3.0, 512: 1.0, 4096: 2.0}
    values = {f"{level}-{n}": falling[n] for n in lengths for level in ("fixed", "dimension")}
    found = moved(reader({"entropy": values}, lengths))["entropy"]
    assert (found.against, found.before, found.cell, found.after) == ("fixed-64", 3.0, "fixed-512", 1.0)
    assert (found.ratio, found.moved, found.compared) == (pytest.approx(1 / 3), 0, 3)


def test_where_nothing_moves_a_reading_it_is_held_against_itself() -> None:
    values = {f"{level}-{n}": 2.5 for n in (64, 4096) for level in ("fixed", "dimension")}
    found = moved(reader({"entropy": values, "unread": {}}))
    assert set(found) == {"entropy"}
    assert found["entropy"].against == found["entropy"].cell == "fixed-64"
    assert (found["entropy"].before, found["entropy"].moved, found["entropy"].compared) == (2.5, 0, 2)


def test_a_word_that_differs_moves_a_reading() -> None:
    words = {"fixed-64": "converged", "dimension-64": "converged", "annealed-64": "stalled"}
    known = part(reader({"outcome": words}, (64,)))
    assert [(one.value, one.change, one.ratio) for one in known.readings] == [(w, None, None) for w in words.values()]
    (found,) = known.reading_moves
    assert (found.before, found.after, found.ratio, found.moved, found.compared) == ("converged", "stalled", None, 1, 2)


def test_words_under_different_conditions_are_held_against_each_other_where_no_level_moves_them() -> None:
    words = {"fixed-64": "converged", "dimension-64": "converged", "fixed-4096": "stalled"}
    found = moved(reader({"outcome": words}))["outcome"]
    assert (found.against, found.cell, found.moved, found.compared) == ("fixed-64", "fixed-4096", 0, 1)


def test_a_number_that_is_none_moves_a_reading_and_enters_no_difference() -> None:
    made = reader({"loss": {"fixed-64": 2.0, "dimension-64": 0.1, "annealed-64": math.nan}}, (64,))
    known = analyse_of(made)
    assert [(one.change, one.ratio) for one in known.readings] == [(None, None), (-1.9, 0.05), (None, None)]
    assert known.reading_moves[0].cell == "annealed-64"
    assert math.isnan(known.reading_moves[0].after)


def analyse_of(made: Reader) -> PartAnalysis:
    """Without the round trip through JSON: what is no number equals nothing, itself included."""

    return stored(made)[1].parts[0]


def test_only_what_is_asked_for_is_told() -> None:
    made = dataclasses.replace(reader({"entropy": ENTROPY, "ties": ENTROPY}), reads=("ties",))
    assert {one.probe for one in part(made).readings} == {"ties"} == set(moved(made))
    none = part(dataclasses.replace(made, reads=()))
    assert none.readings == none.reading_moves == ()


def test_a_run_reads_what_its_suite_asks_for(tmp_path: Path) -> None:
    file = fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}", "reads: ['prod*']\n")
    folder = measured(file, tmp_path / "results")
    (found,) = analyse(folder).parts
    assert [(one.probe, one.value, one.count, one.change) for one in found.readings] == [
        ("products", 1.0, 1, None),
        ("products", 1.0, 1, 0.0),
    ]
    assert (found.reading_moves[0].moved, found.reading_moves[0].compared) == (0, 1)


def test_a_claim_finds_a_probe_by_its_stage() -> None:
    probes = {"base": {"propagator.iterations_mean": 8.0}, "matrix=cached": {"propagator.iterations_mean": 6.0}}
    at_most = {"relation": "at_most", "unit": "iterations", "metric": "probe", "probe": "propagator.iterations_mean"}
    assert judged(world(probes=probes), claim(stated=8, **at_most)).verdict == "supported"
    change = {"metric": "probe_change", "probe": "propagator.iterations_mean", "changes": {"matrix": "cached"}}
    found = judged(world(probes=probes), claim(stated=25, **change))
    assert (found.verdict, found.measured.point) == ("supported", 25.0)
