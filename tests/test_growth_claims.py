"""Claims about orders of growth: one place for all values of a size, widened by the slack, bytes without noise."""

import pytest
from analysis_helpers import World
from growth_helpers import SIZES, STAGES, at_two_steps, cells, power, remembered, world

from harness.analysis import analyse_lines
from harness.records import ClaimVerdict, Growth, Outcome
from harness.report import markdown
from harness.report.view import view


def ledger(address: str, *, relation: str = "at_most") -> dict[str, str]:
    return {
        "d.yaml": (
            f"document: d.md\nclaims:\n  - {{id: d.one, section: s, line: 1, line_sha256: {'a' * 64}, statement: s, "
            f"kind: measured, relation: {relation}, stated: 1, tolerance: 0.05, unit: '', scope: s, "
            f"judged_by: [{{suite: fake, part: p, {address}}}]}}\n"
        )
    }


def claimed(address: str = "metric: growth", relation: str = "at_most", **changes: object) -> World:
    return world(claims=("d.*",), claims_text=ledger(address, relation=relation), **changes)


def judged(made: World) -> ClaimVerdict:
    (found,) = analyse_lines(made.manifest, made.lines).claims
    return found


@pytest.mark.parametrize(
    ("relation", "exponent", "word"),
    [
        ("at_most", 1.0, "supported"),
        ("at_most", 0.3, "supported"),
        ("at_most", 2.0, "refuted"),
        ("about", 1.0, "supported"),
        ("about", 0.3, "refuted"),
    ],
)
def test_an_order_of_growth_is_judged_by_its_exponent(relation, exponent, word):
    found = judged(claimed(relation=relation, times=power(exponent)))
    assert found.verdict == word
    assert found.measured.point == pytest.approx(exponent, abs=0.005)
    assert (found.measured.n, len(found.trials), found.counted) == (6, 6, False)
    assert found.cell == "base64"


def test_what_is_defended_lies_the_slack_beyond_the_interval():
    made = claimed()
    analysis = analyse_lines(made.manifest, made.lines)
    (found,), (grown,) = analysis.claims, analysis.parts[0].growths
    assert grown.slack > 0
    assert found.defended == pytest.approx(grown.slope.high + grown.slack)


def test_within_the_slack_nothing_is_said():
    found = judged(claimed(times=power(1.049), noise=0.02))
    assert found.verdict == "inconclusive"


@pytest.mark.parametrize(("stage", "word"), [("mixer", "refuted"), ("encoder", "supported")])
def test_a_stage_is_judged_by_its_own_exponent(stage, word):
    factors = {(f"base{size}", "mixer"): size / 64 for size in SIZES}
    found = judged(claimed(f"metric: growth, stage: {stage}", stages=STAGES, stage_factors=factors))
    assert found.verdict == word


def test_bytes_are_counted_and_hold_on_any_host():
    made = claimed("metric: memory_growth", canary_drift=1.2)
    (found,) = remembered(made).claims
    assert (found.verdict, found.counted, found.measured.point) == ("supported", True, pytest.approx(1))
    (mixer,) = remembered(claimed("metric: memory_growth, stage: mixer")).claims
    assert (mixer.verdict, mixer.measured.point) == ("refuted", pytest.approx(2))


def test_there_is_one_place_for_each_combination_of_the_other_conditions():
    both = at_two_steps()
    found = judged(claimed(**both))
    assert (found.verdict, found.holds_where) == ("qualified", ("dt=0.1",))
    assert judged(claimed("metric: growth, where: {dt: [0.2]}", **both)).verdict == "refuted"


@pytest.mark.parametrize(
    ("changes", "word", "reason"),
    [
        ({"preset": "smoke"}, "untested", "smoke gives no verdicts"),
        ({"broken": ("base256",)}, "invalid", "other numbers than the oracle"),
        ({"unchecked": ("base256",)}, "inconclusive", "not compared"),
        ({"canary_drift": 1.2}, "inconclusive", "unstable host"),
        ({"varied": {}}, "untested", "varies no size"),
        ({"threads": 2, "lost": lambda *_: 0.3}, "inconclusive", "degraded"),
    ],
)
def test_a_doubt_of_any_cell_is_a_doubt_of_the_claim(changes, word, reason):
    found = judged(claimed(**changes))
    assert found.verdict == word
    assert reason in found.reason


def test_too_few_cells_with_numbers_test_nothing():
    gone = [Outcome(cell=f"base{size}", outcome="out_of_memory", detail="", during="trial") for size in (512, 256)]
    assert judged(claimed(outcomes=gone)).verdict == "untested"


STAGE = "metric: growth, stage: encoder"


def stage_growth(made: World) -> Growth:
    found = analyse_lines(made.manifest, made.lines).parts[0].growths
    return next(one for one in found if (one.stage, one.direction) == ("encoder", "forward"))


def test_a_stage_whose_noise_is_unknown_is_not_judged_without_any():
    """Its control's samples hold no such stage; the whole call's noise is known."""
    made = claimed(STAGE, stages=STAGES)
    lines = made.lines
    for written in lines.values():
        for place, line in enumerate(written):
            if line.kind == "block":
                there = tuple(
                    one.model_copy(update={"stages": {"mixer": 1.0}})
                    if (one.cell, one.arm) == ("control", "staged")
                    else one
                    for one in line.samples
                )
                written[place] = line.model_copy(update={"samples": there})
    analysis = analyse_lines(made.manifest, lines)
    (found,), (part,) = analysis.claims, analysis.parts
    assert part.noise_known
    assert found.verdict == "inconclusive"
    assert "no control of stage encoder, forward, was measured" in found.reason
    assert judged(made).verdict == "supported"


def test_a_stage_too_short_for_its_clock_at_one_value_is_not_judged():
    """A quarter of 64 us is below 20 us, a half is not."""
    short = {"stages": STAGES, "times": lambda one: 1e-6 * one.conditions["seq_len"]}
    found, doubt = judged(claimed(STAGE, **short)), stage_growth(claimed(STAGE, **short)).doubt
    assert (found.verdict, found.reason) == ("inconclusive", doubt)
    assert doubt.startswith("too short for its clock: 1")
    assert doubt.endswith(" us, 20 us would do")
    assert stage_growth(claimed(STAGE, **short)).word == "not settled"
    assert judged(claimed("metric: growth, stage: mixer", **short)).verdict == "supported"
    assert judged(claimed(**short)).verdict == "supported"


@pytest.mark.parametrize(("outcome", "word"), [("out_of_memory", "untested"), ("not_finite", "invalid")])
@pytest.mark.parametrize("metric", ["growth", "memory_growth"])
def test_a_size_that_failed_is_not_dropped_in_silence(outcome, word, metric):
    """The three that are left would have an exponent."""
    gone = [Outcome(cell="base512", outcome=outcome, detail="", during="trial")]
    found = judged(claimed(f"metric: {metric}", outcomes=gone))
    assert found.verdict == word
    assert "seq_len=512" in found.reason


def test_another_variant_that_failed_is_none_of_its_sizes():
    gone = [Outcome(cell="other512", outcome="crashed", detail="", during="trial")]
    two = {"cells": cells(levels=("fixed", "other")), "outcomes": gone}
    assert judged(claimed(**two)).verdict == "supported"
    assert judged(claimed("metric: growth, changes: {eps: other}", **two)).verdict == "untested"


def test_the_floor_that_is_told_is_the_stage_s():
    made = claimed(STAGE, stages=STAGES, stage_noise={"encoder": 0.05}, times=power(1.02))
    floor = stage_growth(made).floor
    assert floor > 10 * analyse_lines(made.manifest, made.lines).parts[0].floor
    found = judged(made)
    assert (found.verdict, found.reason) == (
        "inconclusive",
        f"within the noise floor of {floor:.1%}: without it supported",
    )


def test_a_growth_read_from_cpu_time_says_so():
    found = judged(claimed(lost=lambda *at: 0.3 if at[2] == "base512" else 0.0))
    assert (found.verdict, found.reason) == ("supported", "read from process CPU time")


def test_picked_values_of_the_size_itself_are_refused_in_words():
    found = judged(claimed("metric: growth, where: {seq_len: [64, 128]}"))
    assert found.verdict == "untested"
    assert found.reason == (
        "its address picks values of seq_len, and growth is read over all of them; without them would do"
    )


def test_a_run_without_the_first_value_is_judged_by_the_others():
    """As cells are picked by --only: of one variant the second is missing too, and three are left."""
    sizes = (32, *SIZES)
    made = [one for one in cells(sizes, levels=("fixed", "other")) if one.id not in ("base32", "other32", "other64")]
    twin = {"baseline": "base64", "conditions": {"threads": 1, "seq_len": 64}}
    made = [one.model_copy(update=twin) if one.control else one for one in made]
    both = {"cells": made, "varied": {"seq_len": sizes}, "only": ("*",)}
    found = judged(claimed(**both))
    assert (found.verdict, found.cell) == ("supported", "base64")
    other = judged(claimed("metric: growth, changes: {eps: other}", **both))
    assert (other.verdict, other.cell) == ("supported", "other128")


def test_an_exponent_is_drawn_as_no_share():
    made = claimed("metric: growth, stage: mixer", relation="about", stages=STAGES)
    analysis = analyse_lines(made.manifest, made.lines)
    (found,) = analysis.claims
    assert (found.metric, found.stage, found.verdict) == ("growth", "mixer", "supported")
    document = markdown.document(view(made.manifest, analysis))
    assert "No claim of this run states a share for these stages" in document
    assert "the outlined bar" not in document
    older = found.model_copy(update={"metric": ""})  # of a run that did not keep it
    document = markdown.document(view(made.manifest, analysis.model_copy(update={"claims": (older,)})))
    assert "the outlined bar" in document
