"""From lines of a run to growths: planted exponents are found, doubts take the word away, bytes are exact."""

import pytest
from analysis_helpers import World, analysed
from growth_helpers import SIZES, STAGES, at_two_steps, cells, power, remembered, world
from report_reading import Page, printed

from harness.analysis import analyse_lines
from harness.records import Growth, Outcome
from harness.report import html, markdown
from harness.report.terminal import summary
from harness.report.view import view


def growths(made: World) -> tuple[Growth, ...]:
    return analysed(made).parts[0].growths


def whole(made: World) -> Growth:
    (found,) = (one for one in growths(made) if one.quantity == "time" and not one.stage)
    return found


@pytest.mark.parametrize(
    ("exponent", "word"),
    [(1.0, "linear"), (2.0, "more than linear"), (0.5, "less than linear"), (0.0, "constant")],
)
def test_a_planted_exponent_is_found_and_named(exponent, word):
    """Trials run at speeds that differ by 30 %: slopes are made inside each."""
    found = whole(world(times=power(exponent)))
    assert found.slope.low <= exponent <= found.slope.high
    assert found.slope.high - found.slope.low < 0.005
    assert (found.slope.n, found.last.n, len(found.trials)) == (6, 6, 6)
    assert found.last.point == pytest.approx(exponent, abs=0.005)
    assert (found.word, found.last_word) == (word, word)
    assert found.measured[3] / found.measured[0] == pytest.approx(8**exponent, rel=0.005)
    assert (found.condition, found.values, found.variant) == ("seq_len", SIZES, "baseline")
    assert found.cells == tuple(f"base{size}" for size in SIZES)


def test_a_fixed_cost_is_found_behind_an_exponent_below_one():
    found = whole(world(times=lambda one: 1e-3 * (1 + one.conditions["seq_len"] / 256)))
    assert found.word == "less than linear"
    assert found.last.point > found.slope.point
    assert [end.point for end in found.fixed] == pytest.approx([4 / 5, 1 / 3], abs=0.01)
    assert found.line_misfit < 0.005 < 0.05 < found.power_misfit


def test_every_stage_has_an_exponent_of_its_own():
    factors = {(f"base{size}", "mixer"): size / 64 for size in SIZES}
    found = {
        (one.stage, one.direction): one
        for one in growths(world(stages=STAGES, stage_factors=factors))
        if one.quantity == "time"
    }
    assert list(found) == [("", "forward"), ("encoder", "forward"), ("mixer", "forward"), ("encoder", "backward")]
    assert found["mixer", "forward"].slope.point == pytest.approx(2, abs=0.005)
    assert found["encoder", "backward"].slope.point == pytest.approx(1, abs=0.005)
    assert found["encoder", "forward"].measured[0] == pytest.approx(0.25 * 64e-5, rel=0.5)


def test_a_stage_below_the_clock_has_no_exponent():
    found = growths(world(stages={**STAGES, "encoder": 0.0}))
    assert [one.stage for one in found] == ["", "mixer", "encoder"]
    assert found[2].direction == "backward"


def test_each_variant_grows_by_itself():
    def times(one):
        return 1e-5 * one.conditions["seq_len"] ** (2 if one.variant["eps"] == "other" else 1)

    found = {one.variant: one for one in growths(world(cells=cells(levels=("fixed", "other")), times=times))}
    assert {name: one.word for name, one in found.items()} == {"baseline": "linear", "eps=other": "more than linear"}
    assert found["eps=other"].cells == tuple(f"other{size}" for size in SIZES)


def test_the_floor_widens_what_decides_the_word():
    noisy = whole(world(noise=0.08, blocks=2, times=power(1.0)))
    assert noisy.slack > 0
    assert noisy.last_slack > noisy.slack
    assert noisy.word == "not settled"


def test_a_trial_without_one_of_the_cells_is_left_out():
    made = world()
    lines = made.lines
    lines[5] = [
        line.model_copy(update={"samples": tuple(s for s in line.samples if s.cell != "base256")})
        if line.kind == "block"
        else line
        for line in lines[5]
    ]
    (found,) = analyse_lines(made.manifest, lines).parts[0].growths
    assert found.slope.n == 5


def test_two_processes_are_joined_by_their_trial():
    """Half the cells in a group of their own, whose machine is as fast as the other's in the same trial."""
    made = world(noise=0.0)
    lines = made.lines
    number, processes = 100, list(made.manifest.processes)
    for process in made.manifest.processes:
        if process.process != "trial":
            continue
        twin = process.model_copy(update={"number": number, "group": 1})
        here, there = [], []
        for line in lines[process.number]:
            if line.kind != "block":
                here.append(line)
                there.append(line)
                continue
            for group, wanted, into in ((0, "base64 base128 control canary", here), (1, "base256 base512", there)):
                chosen = tuple(s for s in line.samples if s.cell in wanted.split())
                into.append(line.model_copy(update={"samples": chosen, "group": group}))
        lines[process.number], lines[number] = here, there
        processes.append(twin)
        number += 1
    (found,) = analyse_lines(made.manifest.model_copy(update={"processes": tuple(processes)}), lines).parts[0].growths
    assert found.slope.n == 6
    assert found.slope.point == pytest.approx(1)


def test_disturbed_calls_are_read_from_cpu_time_and_disturbed_stages_give_no_word():
    def lost(trial, number, one):
        return 0.3 if one == "base512" else 0.0

    found = whole(world(lost=lost))
    assert (found.clock, found.word) == ("cpu", "linear")
    assert "process CPU time" in found.note
    assert whole(world(lost=lost, threads=2)).word == "not settled"
    staged = [one for one in growths(world(stages=STAGES, staged_lost=lost)) if one.stage]
    assert {one.word for one in staged} == {"not settled"}
    assert all("degraded" in one.note for one in staged)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"preset": "smoke"}, "smoke gives no verdicts"),
        ({"trials": 1}, "one trial gives no interval"),
        ({"broken": ("base128",)}, "other numbers than the oracle"),
        ({"unchecked": ("base128",)}, "not compared with the oracle"),
        ({"canary_drift": 1.2}, "unstable host"),
    ],
)
def test_a_doubt_takes_the_words_away(changes, note):
    found = whole(world(**changes))
    assert (found.word, found.last_word) == ("not settled", "not settled")
    assert note in found.note
    assert found.slope.point == pytest.approx(1, abs=0.01)


def test_a_cell_without_numbers_is_left_out_and_named():
    gone = [Outcome(cell=f"base{size}", outcome="out_of_memory", detail="", during="trial") for size in (512, 256)]
    found = whole(world(outcomes=gone[:1]))
    assert found.values == (64, 128, 256)
    assert (found.word, found.note) == ("linear", "baseline, seq_len=512: out_of_memory")
    assert growths(world(outcomes=gone)) == ()


@pytest.mark.parametrize(
    "varied",
    [
        {"seq_len": SIZES[:2]},
        {"seq_len": (0, 1, 2)},
        {"seq_len": (0.5, 1.0, 2.0)},
        {"threads": (1, 2, 4)},
        {"seq_len": SIZES, "width": (8, 16, 32)},
        {},
    ],
)
def test_no_growth_without_exactly_one_size(varied):
    assert growths(world(varied=varied)) == ()


def test_other_conditions_are_held_fixed():
    found = growths(world(**at_two_steps()))
    assert [(one.under, one.word) for one in found] == [({"dt": 0.1}, "linear"), ({"dt": 0.2}, "more than linear")]
    assert {one.variant for one in found} == {"baseline"}


def test_bytes_grow_exactly():
    found = {
        (one.quantity, one.stage, one.direction): one
        for one in remembered(world()).parts[0].growths
        if one.quantity != "time"
    }
    exponents = {key: (round(one.slope.point, 9), one.word) for key, one in found.items()}
    assert exponents.pop(("saved_bytes", "", "forward"))[1] == "less than linear"
    assert exponents == {
        ("peak_bytes", "", "forward"): (1.0, "linear"),
        ("peak_bytes", "mixer", "forward"): (2.0, "more than linear"),
        ("peak_bytes", "mixer", "backward"): (0.0, "constant"),
        ("saved_bytes", "mixer", "forward"): (1.0, "linear"),
    }
    saved = found["saved_bytes", "", "forward"]
    assert [end.point for end in saved.fixed] == pytest.approx([1000 / 1064, 1000 / 1512])
    assert (saved.slope.n, saved.slope.low, saved.slack, saved.trials) == (1, saved.slope.high, 0.0, ())


def test_bytes_keep_their_word_in_smoke_but_not_with_wrong_outputs():
    smoke = [one for one in remembered(world(preset="smoke")).parts[0].growths if one.quantity == "peak_bytes"]
    assert smoke[0].word == "linear"
    broken = [one for one in remembered(world(broken=("base64",))).parts[0].growths if one.quantity == "peak_bytes"]
    assert broken[0].word == "not settled"


def test_a_mode_that_saves_nothing_has_no_growth_of_it():
    found = remembered(world(), saved=None).parts[0].growths
    assert {one.quantity for one in found} == {"time", "peak_bytes"}


def test_the_report_says_it_on_the_first_screen_and_draws_it():
    made = world(stages=STAGES, times=lambda one: 1e-3 * (1 + one.conditions["seq_len"] / 256))
    stored = (made.manifest, remembered(made))
    report = view(*stored)
    page, document, shown = Page(html.page(report)).text, markdown.document(report), printed(summary(*stored, "r"), 400)
    for text in (page, document.replace("\\", ""), shown):
        assert "time grows as seq_len to the power" in text
        assert "n = 6 trials, less than linear" in text
    assert page.index("time grows as") < page.index("judged" if "judged" in page else "names no claims")
    assert "the fixed cost would be" in page
    assert "peak memory grows as seq_len to the power 1.00, linear" in page
    (figure,) = (
        item for section in report.answers for block in section.blocks for item in block.items if hasattr(item, "plot")
    )
    for about in ({"reads": ("x",)}, {"map": "mixer"}):
        plan = made.plan.model_copy(update={"parts": (made.part.model_copy(update=about),)})
        other = view(stored[0].model_copy(update={"plan": plan}), stored[1])
        assert "growth" not in [section.name for section in other.answers]
    drawn = html.svg_file(figure)
    assert drawn.count('class="guide"') == len(figure.plot.panels) == 5
    assert f"![{figure.title}]({figure.name}.svg)" in document


def test_stages_that_were_not_timed_are_drawn_with_their_memory():
    made = world()
    assert made.part.stages == ()
    document = markdown.document(view(made.manifest, remembered(made)))
    assert "| mixer, forward |" in document


def test_variants_are_told_apart_by_switch_and_level_in_any_order():
    """One value's variant names its switches in another order; another variant has the same levels, exchanged."""

    def variant(one, **levels):
        return one.model_copy(update={"variant": levels})

    straight = [one if one.control else variant(one, eps="x", other="y") for one in cells()]
    straight[2] = straight[2].model_copy(update={"variant": {"other": "y", "eps": "x"}})
    swapped = [
        one.model_copy(
            update={"id": f"swapped{size}", "name": f"swapped, seq_len={size}", "variant": {"eps": "y", "other": "x"}}
        )
        for size, one in zip(SIZES, cells(), strict=False)
    ]
    found = growths(world(cells=[*straight, *swapped]))
    assert [(one.variant, one.values) for one in found] == [("baseline", SIZES), ("swapped", SIZES)]
