"""A claim gets the word its numbers earn: judged on runs with planted times, probes and faults."""

import dataclasses

import pytest
from analysis_helpers import World, factorial_cells
from claims_helpers import FACTORS, claim, cost, judged, world

from harness.analysis import analyse_lines
from harness.claims.ledger import Address
from harness.claims.read import widened
from harness.claims.relation import word
from harness.claims.verdict import judge
from harness.records import ClaimVerdict, Interval, Outcome

STAGES = {"encoder": 0.2, "propagator": 0.5, "propagator.backward": 0.3}


def floor(made: World) -> float:
    found = analyse_lines(made.manifest, made.lines).parts[0].floor
    assert 0 < found < 0.005
    return found


@pytest.mark.parametrize(
    ("relation", "low", "high", "expected"),
    [
        ("at_least", 10, 12, "supported"),
        ("at_least", 7, 9.9, "refuted"),
        ("at_least", 9, 11, "inconclusive"),
        ("at_most", 8, 10, "supported"),
        ("at_most", 10.1, 12, "refuted"),
        ("at_most", 9, 11, "inconclusive"),
        ("about", 8, 12, "supported"),
        ("about", 12.1, 15, "refuted"),
        ("about", 1, 7.9, "refuted"),
        ("about", 11, 13, "inconclusive"),
        ("about", 1, 20, "inconclusive"),
    ],
)
def test_an_interval_against_ten_within_two_if_about(relation, low, high, expected):
    about = claim(relation, stated=10, tolerance=2 if relation == "about" else 0)
    assert word(about, Interval(point=(low + high) / 2, low=low, high=high, n=6)) == expected


CACHED = {"changes": {"matrix": "cached"}}


@pytest.mark.parametrize(("stated", "expected"), [(45, "supported"), (55, "refuted"), (50, "inconclusive")])
def test_a_gain_is_a_reduction_of_time_and_defends_the_low_end_of_its_widened_interval(stated, expected):
    found = judged(world(), claim(stated=stated, **CACHED))
    assert found.verdict == expected
    assert found.measured.point == pytest.approx(50, abs=0.1)
    assert found.defended == pytest.approx(100 - (100 - found.measured.low) * (1 + floor(world())))
    assert found.defended < found.measured.low
    assert found.trials == pytest.approx([50] * 6, abs=0.5)
    assert (found.part, found.cell) == ("p", "matrix=cached")
    assert found.command == "semh run fake"
    assert found.scope == "claimed of everywhere; judged by forward of fake_system, cell matrix=cached; threads=1"


def test_a_single_change_has_its_main_effect_and_its_shapley_share_beside_it():
    found = judged(world(), claim(**CACHED))
    assert len(found.beside) == 2
    assert "matrix saves 50" in found.beside[0]
    assert "Shapley" in found.beside[1]
    assert judged(world(), claim(changes={"matrix": "cached", "kernels": "fused"})).beside == ()
    slower = judged(world(times=lambda one: 0.01 / cost(one)), claim(**CACHED))
    assert "matrix costs another 100" in slower.beside[0]


def test_a_change_on_top_of_another_is_compared_with_that_other():
    found = judged(world(), claim(stated=19, start={"matrix": "cached"}, changes={"kernels": "fused"}))
    assert found.measured.point == pytest.approx(20, abs=0.1)
    assert found.verdict == "supported"


@pytest.mark.parametrize(
    ("stated", "expected", "nearest"), [(80, "supported", 80), (78, "supported", "low"), (90, "refuted", "high")]
)
def test_a_share_counts_both_directions_of_its_stage(stated, expected, nearest):
    found = judged(world(stages=STAGES), claim("about", stated, 3, metric="share", stage="propagator"))
    assert found.verdict == expected
    assert found.measured.point == pytest.approx(80)
    made = world(stages=STAGES)
    noise = 1 + analyse_lines(made.manifest, made.lines).parts[0].share_floors["propagator"]
    ends = {"low": 400 / noise / (1 + 4 / noise), "high": 400 * noise / (1 + 4 * noise)}
    assert found.defended == pytest.approx(ends.get(nearest, 80))
    assert (found.cell, found.stage) == ("base", "propagator")


def floored(value: float, **about) -> ClaimVerdict:
    """A reduction or share of about `value` %, in a part with a noise floor of 4.9 %."""
    share = {"encoder": 1 - value / 100, "propagator": value / 100}
    made = world(times=lambda one: 0.01 * (1 - value / 100 * (one.id == "matrix=cached")), stages=share)
    floors = {"floor": 0.049, "share_floors": {}}
    part = analyse_lines(made.manifest, made.lines).parts[0].model_copy(update=floors)
    return judge(claim(**about), [part], made.plan)


def test_a_share_must_clear_the_noise_floor_of_shares_and_no_other():
    """74 % against 78 +- 3: settled where the controls' own shares agree, however far apart their times are."""
    made = world(stages={"encoder": 0.26, "propagator": 0.74})
    part = analyse_lines(made.manifest, made.lines).parts[0]
    about = claim(**ABOUT_SHARE, stated=78)

    def given(**floors) -> ClaimVerdict:
        return judge(about, [part.model_copy(update={"floor": 0.5, **floors})], made.plan)

    assert given(share_floors={"encoder": 0.5, "propagator": 0.02}).verdict == "refuted"
    found = given(share_floors={"propagator": 0.2})
    assert found.verdict == "inconclusive"
    assert found.reason == "within the noise floor of shares of 20.0%: without it refuted"
    assert "within the noise floor of 50.0%" in given(share_floors={}).reason


def test_the_floor_of_shares_is_what_the_controls_odds_differ_by():
    """The control's propagator takes 10 % more time beside the rest: so do the odds of its share, of either stage."""
    equal = world(stages={"encoder": 0.6, "propagator": 0.4})
    control = next(cell.id for cell in equal.cells if cell.control)
    slower = dataclasses.replace(equal, stage_factors={(control, "propagator"): 1.1})
    floors = [analyse_lines(made.manifest, made.lines).parts[0].share_floors for made in (equal, slower)]
    assert max(floors[0].values()) < 0.02
    assert floors[1] == pytest.approx({"encoder": 0.1, "propagator": 0.1}, abs=0.02)


ABOUT_SHARE = {"relation": "about", "tolerance": 3, "metric": "share", "stage": "propagator"}


@pytest.mark.parametrize(
    ("value", "about", "expected"),
    [
        (10.75, CACHED | {"stated": 10}, "inconclusive"),
        (9, CACHED | {"stated": 10}, "inconclusive"),
        (16, CACHED | {"stated": 10}, "supported"),
        (1, CACHED | {"stated": 10}, "refuted"),
        (11.8, CACHED | {"stated": 78}, "refuted"),
        (11.8, ABOUT_SHARE | {"stated": 78}, "refuted"),
        (74.5, ABOUT_SHARE | {"stated": 78}, "inconclusive"),
        (80.5, ABOUT_SHARE | {"stated": 78}, "inconclusive"),
    ],
)
def test_a_word_on_a_time_must_clear_the_noise_floor_of_its_part(value, about, expected):
    found = floored(value, **about)
    assert found.verdict == expected
    assert ("within the noise floor of 4.9%" in found.reason) == (expected == "inconclusive")
    assert found.measured.point == pytest.approx(value, abs=0.1)
    assert found.measured.high - found.measured.low < 0.5
    if about["stated"] == 10:
        assert found.defended == pytest.approx(100 - (100 - found.measured.low) * 1.049)


def test_an_interval_is_widened_by_the_floor_on_both_sides_and_a_counter_by_none():
    gain = widened("reduction", Interval(point=10.75, low=10.5, high=11, n=6), 0.049)
    assert (gain.low, gain.point, gain.high) == pytest.approx((100 - 89.5 * 1.049, 10.75, 100 - 89 / 1.049))
    share = widened("share", Interval(point=50, low=40, high=60, n=6), 0.25)
    assert (share.low, share.high) == pytest.approx((100 * 40 / 115, 75 / 1.15))
    assert widened("share", Interval(point=100, low=100, high=100, n=6), 0.25).high == 100
    count = Interval(point=5, low=5, high=5, n=1)
    assert widened("probe", count, 0.25) == widened("probe_change", count, 0.25) == count
    probes = world(probes={"base": {"iterations": 4.0}})
    part = analyse_lines(probes.manifest, probes.lines).parts[0].model_copy(update={"floor": 0.5})
    counted = judge(claim("at_most", 4, metric="probe", probe="iterations"), [part], probes.plan)
    assert (counted.verdict, counted.defended) == ("supported", 4)


def test_a_stage_nobody_timed_is_untested():
    found = judged(world(), claim("about", 78, 3, metric="share", stage="propagator"))
    assert (found.verdict, found.measured, found.defended) == ("untested", None, None)
    assert "was not timed" in found.reason


PROBES = {"base": {"iterations": 4.0}, "matrix=cached": {"iterations": 3.0}}


def test_a_counter_is_exact_and_needs_no_quiet_machine():
    noisy = world(probes=PROBES, noise=0.5)
    at_most = {"relation": "at_most", "unit": "iterations", "metric": "probe", "probe": "iterations"}
    assert judged(noisy, claim(stated=4, **at_most)).verdict == "supported"
    found = judged(noisy, claim(stated=2.5, **at_most, **CACHED))
    assert (found.verdict, found.measured.low, found.measured.high, found.defended) == ("refuted", 3, 3, 3)
    assert judged(noisy, claim(stated=12, **at_most, scale=3.0)).measured.point == 12


def test_a_drop_of_a_counter_is_in_per_cent():
    found = judged(world(probes=PROBES), claim(stated=25, metric="probe_change", probe="iterations", **CACHED))
    assert (found.verdict, found.measured.point) == ("supported", 25)


def test_a_probe_that_says_a_word_or_nothing_is_untested():
    found = judged(world(probes={"base": {"iterations": "none"}}), claim(metric="probe", probe="iterations"))
    assert (found.verdict, found.reason) == ("untested", "probe iterations gave no number in base")


def test_on_a_noisy_host_a_claim_is_judged_where_it_clears_the_floor():
    noisy = world(noise=0.2)
    part = analyse_lines(noisy.manifest, noisy.lines).parts[0]
    assert (part.stable, part.noise_known) == (False, True)
    near = judged(noisy, claim(stated=0, **CACHED)).measured.point
    within = judged(noisy, claim(stated=near, **CACHED))
    assert (within.verdict, "clears" in within.reason) == ("inconclusive", False)
    far = judged(noisy, claim(stated=95, **CACHED))
    assert (far.verdict, "a noisy host, but it clears the noise floor" in far.reason) == ("refuted", True)


def test_noise_of_unknown_size_and_unchecked_outputs_leave_a_claim_inconclusive():
    noisy = world(noise=0.2)
    part = analyse_lines(noisy.manifest, noisy.lines).parts[0].model_copy(update={"noise_known": False})
    far = judge(claim(stated=95, **CACHED), [part], noisy.plan)
    assert (far.verdict, far.reason.startswith("unstable host")) == ("inconclusive", True)
    assert (far.measured is not None, far.defended) == (True, None)
    unchecked = judged(world(unchecked=["matrix=cached"]), claim(stated=1, **CACHED))
    assert (unchecked.verdict, "not compared" in unchecked.reason) == ("inconclusive", True)


@pytest.mark.parametrize("about", [claim(**CACHED), claim(metric="probe", probe="iterations")])
def test_a_smoke_run_tests_nothing_and_says_what_would(about):
    found = judged(world(preset="smoke", trials=2, probes=PROBES), about)
    assert (found.verdict, found.reason, found.command) == ("untested", "smoke gives no verdicts", "semh run fake")
    assert found.measured is not None
    assert found.defended is None


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"broken": ["matrix=cached"]}, "matrix=cached gives other numbers"),
        ({"outcomes": [Outcome(cell="matrix=cached", outcome="not_finite", detail="")]}, "not finite"),
    ],
)
def test_a_smoke_run_gives_no_word_on_broken_guards_either_but_tells_of_them(fault, why):
    found = judged(world(preset="smoke", trials=2, **fault), claim(**CACHED))
    assert (found.verdict, found.defended) == ("untested", None)
    assert found.reason.startswith("smoke gives no verdicts; ")
    assert why in found.reason


def test_disturbed_pairs_leave_a_gain_inconclusive():
    disturbed = {"lost": lambda _, number, name: 0.5 if name == "matrix=cached" and number else 0.0}
    found = judged(world(threads=2, **disturbed), claim(stated=-500, **CACHED))
    assert (found.verdict, found.defended) == ("inconclusive", None)
    assert found.reason.startswith("degraded: 18 of 24 pairs were disturbed")
    by_cpu = judged(world(threads=1, **disturbed), claim(stated=45, **CACHED))
    assert (by_cpu.verdict, "process CPU time" in by_cpu.reason) == ("supported", True)


def test_disturbed_stages_leave_a_share_inconclusive_and_a_gain_alone():
    made = world(stages=STAGES, staged_lost=lambda _, number, name: 0.5 if name == "base" and number else 0.0)
    share = judged(made, claim("about", 80, 3, metric="share", stage="propagator"))
    assert (share.verdict, share.defended) == ("inconclusive", None)
    assert share.reason.startswith("over half the stage timings of base were disturbed")
    assert judged(made, claim(stated=45, **CACHED)).verdict == "supported"


def test_one_trial_is_no_test():
    found = judged(world(trials=1), claim(**CACHED))
    assert (found.verdict, found.reason) == ("untested", "one trial gives no interval")


@pytest.mark.parametrize("wrong", ["base", "matrix=cached"])
def test_a_broken_guard_makes_a_claim_invalid_and_defends_nothing(wrong):
    found = judged(world(broken=[wrong]), claim(stated=1, **CACHED))
    assert (found.verdict, found.defended) == ("invalid", None)
    assert f"{wrong} gives other numbers" in found.reason


def test_a_failed_cell_is_untested_and_one_that_is_not_finite_invalid():
    for outcome, expected in (("crashed", "untested"), ("not_finite", "invalid")):
        failed = Outcome(cell="matrix=cached", outcome=outcome, detail="")
        assert judged(world(outcomes=[failed]), claim(**CACHED)).verdict == expected


def test_the_command_beside_a_claim_repeats_the_run_or_would_test_what_it_left_out():
    made, about = world(only=("matrix=*",)), claim(**CACHED)
    plan = made.plan.model_copy(update={"settings": {"dt": 0.5, "threads": 1}, "max_minutes": 5.0, "preset": "full"})
    parts = analyse_lines(made.manifest, made.lines).parts
    said = "semh run fake --preset full --only 'matrix=*' --set dt=0.5 --threads 1 --max-minutes 5"
    assert judge(about, parts, plan).command == said
    left_out = judge(claim(changes={"matrix": "sparse"}), parts, plan)
    assert (left_out.verdict, left_out.command) == ("untested", said.replace(" --only 'matrix=*'", ""))


def test_the_scope_tells_every_condition_that_was_given_beside_the_size():
    conditions = {"batch_size": 1, "layers": 8, "width": 64, "allocator": "default", "threads": 1}
    cells = [one.model_copy(update={"conditions": conditions}) for one in factorial_cells(FACTORS)]
    made = world(cells=cells)
    parts = analyse_lines(made.manifest, made.lines).parts
    for given, told in (((), ""), (("layers", "allocator"), ", layers=8, allocator=default")):
        sized = made.part.model_copy(update={"size": "document", "given": given})
        verdict = judge(claim(**CACHED), parts, made.plan.model_copy(update={"parts": (sized,)}))
        assert verdict.scope.endswith(f"size document, cell matrix=cached; batch_size=1, threads=1{told}")


def test_a_claim_about_another_suite_names_the_command_that_would_test_it():
    found = judged(world(), claim(suite="elsewhere"))
    assert (found.verdict, found.command) == ("untested", "semh run elsewhere")
    assert found.reason == "the suite fake does not measure it"


def test_a_claim_nothing_can_judge_says_why():
    made = claim().model_copy(update={"judged_by": [], "untested_because": "needs a beamline"})
    found = judged(world(), made)
    assert (found.verdict, found.reason, found.command) == ("untested", "needs a beamline", "")


def test_a_restricted_run_leaves_claims_about_other_cells_untested():
    cells = [one for one in factorial_cells(FACTORS) if one.variant["matrix"] == "rebuild"]
    found = judged(world(cells=cells, only=("kernels=fused",)), claim(**CACHED))
    assert (found.verdict, found.reason) == ("untested", "this run was restricted to kernels=fused")


def test_the_first_address_in_the_plan_decides_and_the_others_stand_beside():
    first = claim(stated=15, **CACHED)
    addresses = [
        Address(suite="elsewhere", part="p", metric="reduction", changes={"matrix": "cached"}),
        Address(suite="fake", part="p", metric="reduction", changes={"kernels": "fused"}),
        *first.judged_by,
    ]
    found = judged(world(), first.model_copy(update={"judged_by": addresses}))
    assert found.cell == "kernels=fused"
    assert "In part p (forward, cell matrix=cached): 50" in found.beside[-1]
