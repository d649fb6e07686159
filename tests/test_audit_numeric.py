"""Numeric claims are computed by asking a system: every place is read once, judged, and none is left out."""

import pytest
from audit_fakes import Known
from claims_helpers import ENTRY

from harness.audit import audit, audited
from harness.claims.ledger import Claim, ledger_texts, read_ledger
from harness.claims.numeric import models, spots
from harness.errors import SuiteError, UsageError

ASKED = '    kind: numeric\n    computed_by:\n      - {system: "audit_fakes:KNOWN", probe: reading, %s}\n'


def claim(asked: str, relation: str = "at_most", stated: float = 6, name: str = "paper.gain") -> Claim:
    judged = ENTRY.index("    judged_by")
    text = ENTRY[:judged].replace("    kind: measured\n", ASKED % asked).replace("paper.gain", name)
    (made,) = read_ledger({"paper.yaml": text.replace("at_least", relation).replace("stated: 15", f"stated: {stated}")})
    return made


def judged(*claims: Claim):
    return audited(claims, numeric=True)


def test_a_reading_is_judged_by_the_claims_relation_in_its_unit():
    verdicts = judged(
        claim("size: tiny"),
        claim("changes: {pace: slow}", name="paper.slow"),
        claim("conditions: {rows: 3}, scale: 0.5", "about", 1.5, name="paper.half"),
    )
    assert [(one.verdict, one.measured.point) for one in verdicts] == [
        ("supported", 6),
        ("refuted", 12),
        ("supported", 1.5),
    ]
    assert all(one.counted and one.command == "semh audit --numeric" for one in verdicts)
    assert "pace=slow" in verdicts[1].scope


def test_a_claim_that_holds_in_some_places_is_qualified_and_says_in_which():
    (verdict,) = judged(claim("where: {rows: [2, 5]}, each: {pace: [usual, slow]}"))
    assert verdict.verdict == "qualified"
    assert verdict.holds_where == ("rows=2, pace=usual", "rows=5, pace=usual", "rows=2, pace=slow")
    assert "holds in 3 of 4 places; measured from 2 to 10 %" in verdict.reason


def test_a_start_makes_the_reading_a_change_in_per_cent():
    (verdict,) = judged(claim("start: {pace: slow}, where: {rows: [2, 9]}", "about", 50))
    assert (verdict.verdict, verdict.measured.point, verdict.metric) == ("supported", 50, "probe_change")


def test_seeds_give_an_interval():
    (verdict,) = judged(claim("seeds: 3, conditions: {rows: 1}", "about", 2))
    assert verdict.trials == (1, 2, 3)
    assert verdict.measured.low < 1 < 3 < verdict.measured.high
    assert verdict.verdict == "inconclusive"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("changes: {odd: raises}", "RuntimeError: planted"),
        ("changes: {odd: nan}", "probe reading gave nan"),
        ("changes: {odd: word}", "probe reading gave stalled"),
    ],
)
def test_a_place_that_gives_no_number_is_invalid_and_says_why(asked, said):
    (verdict,) = judged(claim(asked))
    assert (verdict.verdict, verdict.measured) == ("invalid", None)
    assert said in verdict.reason


def test_a_place_that_fails_beside_others_is_told_and_not_dropped():
    (verdict,) = judged(claim("each: {odd: [no, raises]}"))
    assert verdict.verdict == "qualified"
    assert verdict.holds_where == ("odd=no",)
    assert "invalid at odd=raises: RuntimeError: planted" in verdict.reason


def test_nothing_is_a_share_of_zero():
    (verdict,) = judged(
        claim("start: {}").model_copy(
            update={"computed_by": [claim("start: {}").computed_by[0].model_copy(update={"probe": "zero"})]}
        )
    )
    assert verdict.verdict == "invalid"
    assert "probe zero is 0 at the start" in verdict.reason


def test_each_model_is_built_once_for_all_claims_and_progress_counts_them():
    claims = [claim("where: {rows: [2, 5]}"), claim("start: {pace: slow}, where: {rows: [5, 2]}", name="paper.again")]
    told = []
    Known.built = 0
    audit(claims, numeric=True, progress=lambda *said: told.append(said))
    assert Known.built == 4
    assert [(done, total) for done, total, _ in told] == [(0, 4), (1, 4), (2, 4), (3, 4)]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("changes: {pase: slow}", "paper.gain: computed_by: no switch or condition 'pase'; nearest is 'pace'"),
        ("changes: {pace: slwo}", "paper.gain: computed_by: pace: no level 'slwo'; known offers usual, slow"),
        (
            "conditions: {dt: 99.0}",
            "paper.gain: computed_by: dt: 99.0 is above the range; dt takes a number from 0.001 to 10",
        ),
        ("size: huge", "paper.gain: computed_by: no size 'huge'; known offers tiny"),
        ("variant: best", "paper.gain: computed_by: no variant 'best'; known offers status_quo, all_on"),
    ],
)
def test_an_asking_that_leads_nowhere_is_an_error_before_anything_is_built(asked, said):
    Known.built = 0
    with pytest.raises(UsageError) as raised:
        judged(claim("size: tiny", name="paper.first"), claim(asked))
    assert (str(raised.value), Known.built) == (said, 0)


def test_a_probe_that_does_not_exist_is_refused():
    asking = claim("size: tiny").computed_by[0].model_copy(update={"probe": "raeding"})
    with pytest.raises(UsageError, match=r"^no probe 'raeding'; known offers reading, zero$"):
        spots(asking)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("changes: {pace: slow}, each: {pace: [usual]}", "pace is set once and varied as well; one of them would do"),
        ("start: {}, scale: 2.0", "start and scale both; a change in % has no other unit"),
        ("seeds: 0", "found 0; input should be greater than or equal to 1"),
    ],
)
def test_a_contradictory_asking_is_refused_with_its_line(asked, said):
    with pytest.raises(SuiteError) as raised:
        claim(asked)
    assert str(raised.value).startswith("paper.yaml:")
    assert said in str(raised.value)


def test_every_asking_of_the_ledger_leads_to_a_model_and_a_probe():
    asking = [one for one in read_ledger(ledger_texts()) if one.computed_by]
    assert len(asking) > 10
    for one in asking:
        assert models([one]), one.id
