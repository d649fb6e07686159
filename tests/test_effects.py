"""What was planted is what each design finds: effects, chains, rungs, what leaving one out costs, and what stands out.

The workers' own code runs here in one process, on the virtual clock and with seeded noise, so every figure repeats.
Of the m intervals of a design all hold the truth at once with 99.9 % if each is widened to level 1 - 0.001 / m
(Bonferroni); that is the tolerance.
"""

import dataclasses
import gc
import math
from itertools import combinations

import numpy as np
import pytest
from analysis_helpers import ENVIRONMENT, World, cell, factorial_cells
from plan_helpers import plan_of
from scipy import stats

import tests.fakes
from harness.analysis import analyse_lines
from harness.measure.workshop import Breadcrumb, Workshop
from harness.records import LINE, Manifest, Outcome, Process
from harness.report.markdown import document
from harness.report.view import view
from harness.worker import PROCESSES
from tests.fakes import GAINING, GAINS, TOGETHER

TRIALS = 6
FAKE = "suite: gains\ntitle: What does each switch do?\nsystem: tests.fakes:GAINING\nblocks: 4\nmemory: false\n"
DESIGNS = {"full_factorial": 3, "fractional_factorial": 6, "screening": 6, "ladder": 4, "leave_one_out": 4}


def truth(high) -> float:
    """Log time of the cell with these switches new, over the baseline's."""
    pairs = [gain for pair, gain in TOGETHER.items() if set(pair) <= set(high)]
    return sum(map(math.log, [GAINS[name] for name in high] + pairs))


def interaction(*factors) -> float:
    return math.log(TOGETHER.get(tuple(sorted(factors)), 1.0)) / 2


def main(factor, factors) -> float:
    return math.log(GAINS[factor]) + sum(interaction(factor, other) for other in factors if other != factor)


@pytest.fixture(scope="module", params=DESIGNS)
def stored(request, tmp_path_factory):
    """A run of one design over GAINING: its manifest and its analysis."""
    folder = tmp_path_factory.mktemp(request.param)
    names = ", ".join(f"{name}: [new]" for name in list(GAINS)[: DESIGNS[request.param]])
    plan = plan_of(folder, f"design: {request.param}\nfactors: {{{names}}}\n", FAKE, preset="quick")
    gc.freeze()  # a trial collects before every block: not the whole of what the tests have imported
    with pytest.MonkeyPatch.context() as patch:
        manifest, lines = run(plan, folder, patch)
    gc.unfreeze()
    return manifest, analyse_lines(manifest, lines)


def run(plan, folder, patch):
    (part,) = plan.parts
    cells = tuple(one.id for one in part.cells)
    processes, lines = [], {}
    for number, (kind, trial) in enumerate([("sameness", 0), *(("trial", 1 + at) for at in range(TRIALS))], start=1):
        process = Process(
            number=number, process=kind, part=part.name, group=0, trial=trial, attempt=1, cells=cells, state="done"
        )
        patch.setattr(tests.fakes, "_noise", np.random.default_rng([11, trial]))
        file = folder / f"{number}.jsonl"
        with file.open("wb") as stream:
            breadcrumb = Breadcrumb(str(file.with_suffix(".now")))
            PROCESSES[kind](Workshop(plan, part, process, part.cells, GAINING, stream, breadcrumb))
        processes.append(process)
        lines[number] = [LINE.validate_json(line) for line in file.read_bytes().splitlines()]
    manifest = Manifest(
        run="gains",
        state="finished",
        started="2026-01-01T00:00:00",
        plan=plan,
        suite_text="",
        claims_text={},
        environment=ENVIRONMENT,
        processes=tuple(processes),
        command="semh run gains",
    )
    return manifest, lines


def expected(manifest, part):
    """Every interval of the analysis beside its planted logarithm."""
    (plan,) = manifest.plan.parts
    names = list(plan.factors)
    high = {one.id: [name for name, level in one.variant.items() if level == "new"] for one in plan.cells}
    for effect in part.effects:
        chain = [effect.factors, *effect.aliases]
        single = len(effect.factors) == 1
        yield effect.ratio, main(*effect.factors, names) if single else sum(interaction(*pair) for pair in chain)
    for step in part.steps:
        yield step.ratio, truth(high[step.cell]) - truth(high[step.against])
    for share in part.shapley:
        yield share.ratio, main(share.factor, names)


def test_every_design_recovers_what_was_planted(stored):
    manifest, analysis = stored
    (part,) = analysis.parts
    told = list(expected(manifest, part))
    number = {"full_factorial": 9, "fractional_factorial": 13, "screening": 6, "ladder": 4, "leave_one_out": 4}
    assert len(told) == number[manifest.plan.parts[0].design]
    usual, wide = (stats.t.ppf(1 - level / 2, TRIALS - 1) for level in (0.05, 0.001 / len(told)))
    for ratio, true in told:
        half = math.log(ratio.high / ratio.low) / 2
        assert 0 < half < 0.03
        assert abs(math.log(ratio.point) - true) <= half * wide / usual


@pytest.mark.parametrize("stored", ["ladder"], indirect=True)
def test_rungs_add_up_to_the_whole_ladder(stored):
    manifest, analysis = stored
    (plan,), (part,) = manifest.plan.parts, analysis.parts
    whole = next(contrast for contrast in part.contrasts if contrast.cell == part.steps[-1].cell).ratio.point
    assert math.prod(step.ratio.point for step in part.steps) == pytest.approx(whole, rel=1e-12)
    assert part.steps[-1].running == pytest.approx(whole, rel=1e-12)
    assert [step.against for step in part.steps[1:]] == [step.cell for step in part.steps[:-1]]
    assert part.steps[0].against == plan.cells[0].id
    assert [step.levels for step in part.steps] == [("old", "new")] * 4


@pytest.mark.parametrize("stored", ["screening"], indirect=True)
def test_screening_ranks_by_size(stored):
    (part,) = stored[1].parts
    sizes = [abs(math.log(effect.ratio.point)) for effect in part.effects]
    assert sizes == sorted(sizes, reverse=True)
    assert part.effects[0].factors == ("a",)


STRAYS = {
    "full_factorial": {("a",), ("b",), ("a", "b")},
    "fractional_factorial": {("a",), ("b",), ("d",), ("e",), ("f",), ("a", "b")},
    "screening": set(),  # five of seven are real: no small ones are left to tell them from
}


@pytest.mark.parametrize(
    "stored, number", [("full_factorial", 7), ("fractional_factorial", 15), ("screening", 7)], indirect=["stored"]
)
def test_what_stands_out_is_what_was_planted(stored, number):
    manifest, analysis = stored
    (found,) = analysis.parts[0].half_normals
    assert len(found.points) == number
    assert {point.factors for point in found.points if point.stray} == STRAYS[manifest.plan.parts[0].design]
    assert [point.size for point in found.points] == sorted(point.size for point in found.points)
    assert all((point.size > found.margin) == point.stray for point in found.points)


SAID = {
    "full_factorial": ["averaged over all levels of the other switches", "Which effects stand out"],
    "fractional_factorial": ["averaged over the cells of the fraction", "| a × b = c × e = d × f | 1.09"],
    "screening": ["the largest first; interactions of two are not estimated", "Which effects stand out"],
    "ladder": ["What does each rung add, from the baseline up the ladder?", "| \\+ b: old → new | 0.9"],
    "leave_one_out": ["What does leaving one out cost?", "| without a: new → old | 1.6"],
}


def test_the_report_tells_it(stored):
    manifest, analysis = stored
    text = document(view(manifest, analysis))
    for words in SAID[manifest.plan.parts[0].design]:
        assert words in text


FACTORS = {"a": ("old", "new"), "b": ("old", "new")}


def world(design="ladder", **changes) -> World:
    cells = factorial_cells(FACTORS)
    return dataclasses.replace(World(cells=cells, factors=dict(FACTORS), times=cost, design=design), **changes)


def cost(one) -> float:
    return 0.01 * math.exp(truth([name for name, level in one.variant.items() if level == "new"]))


def part_of(made):
    return analyse_lines(made.manifest, made.lines).parts[0]


def test_a_step_is_the_difference_of_logs_per_trial():
    for design, of, less in (("ladder", "a=new, b=new", "a=new"), ("leave_one_out", "a=new", "a=new, b=new")):
        found = part_of(world(design))
        step = next(one for one in found.steps if one.factor == "b")
        trials = {one.cell: np.log(one.trials) for one in found.contrasts}
        logs = trials[of] - trials[less]
        half = stats.t.ppf(0.975, 5) * np.std(logs, ddof=1) / math.sqrt(6)
        assert (step.cell, step.against) == (of, less)
        assert np.log([step.ratio.low, step.ratio.point, step.ratio.high]) == pytest.approx(
            [np.mean(logs) - half, np.mean(logs), np.mean(logs) + half]
        )


def test_a_ladder_with_a_broken_rung_has_no_steps_and_says_which():
    failed = Outcome(cell="a=new", outcome="crashed", detail="")
    found = part_of(world(outcomes=(failed,)))
    assert found.steps == ()
    assert "no steps: cell a=new is crashed" in found.notes
    assert part_of(world(broken=("a=new",))).notes[0] == "no steps: cell a=new is invalid"
    short = part_of(world(cells=[one for one in factorial_cells(FACTORS) if one.name != "a=new, b=new"]))
    assert "no steps: cell a=new, b=new was not planned" in short.notes


def test_steps_over_disturbed_pairs_say_so():
    found = part_of(world(lost=lambda *sample: 0.5 if sample[-1] == "a=new" else 0.0))
    assert any(note.startswith("steps mix two clocks: a=new by process CPU time") for note in found.notes)
    assert len(found.steps) == 2


def test_a_fraction_with_a_hole_has_no_effects_and_says_so():
    factors = dict.fromkeys("abcd", ("old", "new"))
    every = factorial_cells(factors)
    even = [one for one in every if [*one.variant.values()].count("new") % 2 == 0]
    whole = World(cells=even, factors=factors, times=cost, design="fractional_factorial")
    assert len(part_of(whole).effects) == 4 + 3
    holed = dataclasses.replace(whole, cells=[one for one in even if one.name != "a=new, d=new"])
    found = part_of(holed)
    assert (found.effects, found.half_normals) == ((), ())
    assert "no effects: cell a=new, b=old, c=old, d=new was not planned" in found.notes


def test_every_condition_has_steps_of_its_own():
    cells = []
    for dt in (0.1, 0.5):
        for one in factorial_cells(FACTORS):
            named = {key: f"{getattr(one, key)} dt={dt}" for key in ("id", "name", "baseline")}
            cells.append(one.model_copy(update=named | {"conditions": {"threads": 1, "dt": dt}}))
    found = part_of(world(cells=cells, varied={"dt": (0.1, 0.5)}))
    assert [(step.conditions["dt"], step.factor) for step in found.steps] == [
        (dt, name) for dt in (0.1, 0.5) for name in "ab"
    ]


def test_a_ladder_climbs_every_level_of_a_factor():
    cells = [cell("base", {"m": "cg"}), cell("m=cocg", {"m": "cocg"}), cell("m=direct", {"m": "direct"})]
    made = World(cells=cells, factors={"m": ("cg", "cocg", "direct")}, times=lambda _: 0.01, design="ladder")
    steps = part_of(made).steps
    assert [(step.levels, step.against) for step in steps] == [
        (("cg", "cocg"), "base"),
        (("cocg", "direct"), "m=cocg"),
    ]


def test_the_planted_world_has_an_interaction():
    """Else the tests above could not tell an effect from a sum."""
    assert any(interaction(*pair) for pair in combinations(GAINS, 2))
    assert main("a", "abcdef") != pytest.approx(math.log(GAINS["a"]))
