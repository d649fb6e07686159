"""Where a claim would be true: the nearest other place of the run in which it holds, or that there is none."""

from __future__ import annotations

import pytest
from share_map_helpers import SHARES, made, run

from harness.claims.ledger import read_ledger
from harness.claims.verdict import judge
from harness.claims.where import located
from harness.records import ClaimVerdict

HERE = "where: {propagator_width: [512], vocabulary: [256]}"


def ledger(suite: str, *parts: str, relation: str = "about", stated: float = 78, other: str = "") -> str:
    addresses = ", ".join(
        f"{{suite: {suite}, part: {part}, metric: share, stage: propagator, {HERE}}}" for part in parts
    )
    return (
        f"document: d.md\nclaims:\n  - {{id: d.share, section: s, line: 1, line_sha256: {'a' * 64}, statement: s, "
        f"kind: measured, relation: {relation}, stated: {stated}, tolerance: 3, unit: '%', scope: s, "
        f"judged_by: [{addresses}{other}]}}\n"
    )


def judged(*worlds, mapped: bool = True, **stating) -> ClaimVerdict:
    """Of the first world's place 512-256; the other worlds are further parts."""
    suite = worlds[0].suite
    parts = [f"p{number}" for number in range(len(worlds))]
    text = {"d.yaml": ledger(suite, *(parts if not mapped else parts[:1]), **stating)}
    for world in worlds:
        world.claims_text = text
    manifest, analysis = run(*worlds, stage="propagator" if mapped else None)
    [claim] = read_ledger(text)
    verdict = judge(claim, analysis.parts, manifest.plan)
    return located(verdict, claim, analysis.parts, manifest.plan, analysis.maps)


def test_of_the_places_where_it_holds_the_one_that_differs_least_comes_first():
    found = judged(made({**SHARES, (512, 4096): 0.77, (1024, 4096): 0.78}))
    assert found.verdict == "refuted"
    first, second = found.would_hold
    assert first.startswith("vocabulary 4096 (here 256): 77")
    assert second.startswith("propagator_width 1024 (here 512), vocabulary 4096 (here 256), width 256 (here 128): 78")
    assert found.looked == ""


def test_more_than_three_places_are_counted():
    everywhere = made(dict.fromkeys(SHARES, 0.78), name="t", mode="train_step")
    assert judged(made(SHARES), everywhere).would_hold[-1] == "and 1 more"


def test_where_it_holds_nowhere_the_nearest_place_is_named():
    found = judged(made(SHARES))
    assert found.would_hold == ()
    assert found.looked.startswith("not at any of the 3 other places of this run; nearest 52")
    assert found.looked.endswith("at propagator_width 1024 (here 512), width 256 (here 128)")


def test_another_part_that_the_claim_names_is_such_a_place_without_a_map():
    held = made({**SHARES, (512, 256): 0.78}, mode="train_step")
    found = judged(made(SHARES), held, mapped=False)
    assert len(found.would_hold) == 1
    assert found.would_hold[0].startswith("train_step (here forward): 78")


def test_a_run_that_looks_in_one_place_says_so_and_what_looks_elsewhere():
    other = ", {suite: wide, part: p, metric: share, stage: propagator}"
    found = judged(made(SHARES), mapped=False, other=other)
    assert found.looked == "not looked for in this run; to look elsewhere: semh run wide"
    assert judged(made(SHARES), mapped=False).looked == "not looked for in this run"


@pytest.mark.parametrize("stating", [{"stated": 61}, {"stated": 30, "relation": "at_least"}])
def test_what_is_supported_is_asked_nothing_more(stating):
    found = judged(made(SHARES), **stating)
    assert (found.verdict, found.would_hold, found.looked) == ("supported", (), "")


def test_a_place_that_could_not_be_judged_is_no_place_where_it_holds_or_does_not():
    found = judged(made({**SHARES, (1024, 4096): 0.78}, unchecked=("1024-4096",)))
    assert found.would_hold == ()
    assert found.looked.startswith(
        "not settled at 1 of the 3 other places of this run, not true at the rest; nearest 78"
    )
    unsettled = judged(made(SHARES), made(SHARES, mode="train_step", noise=0.2, canary_drift=1.2), mapped=False)
    assert unsettled.looked.startswith("not settled at the other place of this run; nearest")
