"""The state of the whole ledger over all stored runs: of every claim the newest word that says anything.

A run's words are those of the ledger it was given, which it keeps. While an entry stands as it was, the stored word
stands: it is the one in the run's report. Where the entry has changed in what the word depends on (what is stated, how
it is judged), the old word answers a question that nobody asks any more: the present entry is judged on the stored
numbers, and the row says what changed and what the run itself had said. Nothing stored is changed. A run that was
analysed by older code is brought up to date by `semh report RUN`.

    newest first    the first run whose word is not `untested` decides: a smoke run never hides an earned verdict
    earlier         the last word before it that settled the claim stands beside it, where it was another
    arithmetic      judged here and now; no run has a say
    untested        no run says anything; with the command that would, and what a run said of the entry as it was
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from harness.audit import audited
from harness.claims.ledger import Claim
from harness.errors import UsageError, offer, shown
from harness.records import ClaimVerdict, ClaimWord, Manifest
from harness.verdicts.said import Said, said
from harness.verdicts.state import Earlier, Ledger, RunFacts, State
from harness.verdicts.stored import Stored, stored

SETTLED: tuple[ClaimWord, ...] = ("supported", "refuted", "qualified")


def ledger_state(results: Path, claims: Sequence[Claim]) -> Ledger:
    runs, unread = stored(results)
    exact = {verdict.id: verdict for verdict in audited(claims, numeric=False)}
    states = tuple(_state(claim, exact.get(claim.id), runs) for claim in claims)
    named = {run for state in states for run in (state.run, state.earlier.run if state.earlier else None)}
    return Ledger(
        claims=states,
        runs=tuple(_facts(run.manifest) for run in runs if run.manifest.run in named),
        unread=tuple(unread),
    )


def _state(claim: Claim, exact: ClaimVerdict | None, runs: Sequence[Stored]) -> State:
    if exact is not None:
        return _row(claim, exact)
    told = list(said(claim, runs))
    earned = [one for one in told if one.verdict.verdict != "untested"]
    if not earned:
        return _untested(claim, told)
    newest = earned[0]
    before = next((one for one in earned[1:] if one.verdict.verdict in SETTLED), None)
    earlier = None
    if before is not None and before.verdict.verdict != newest.verdict.verdict:
        earlier = Earlier(word=before.verdict.verdict, run=before.run)
    return _row(claim, newest.verdict, newest, earlier=earlier)


def _untested(claim: Claim, told: Sequence[Said]) -> State:
    """Why, in the newest run's words where one held it; beside it what a run said of the entry as it was."""
    for one in told:
        if one.run_said not in (None, "untested"):
            return _row(claim, one.verdict, changed=one.changed, earlier=Earlier(word=one.run_said, run=one.run))
    if told:
        return _row(claim, told[0].verdict)
    reason = claim.untested_because or (
        "no run of a suite that measures it" if claim.judged_by else "not computed here"
    )
    return _row(claim, None, reason=reason)


def _row(
    claim: Claim,
    verdict: ClaimVerdict | None,
    by: Said | None = None,
    *,
    changed: str = "",
    earlier: Earlier | None = None,
    reason: str = "",
) -> State:
    return State(
        id=claim.id,
        document=claim.document,
        section=claim.section,
        line=claim.line,
        kind=claim.kind,
        headline=claim.headline,
        statement=claim.statement,
        word=verdict.verdict if verdict else "untested",
        stated=claim.stated,
        stated_high=claim.stated_high,
        relation=claim.relation,
        unit=claim.unit,
        measured=verdict.measured if verdict else None,
        counted=verdict.counted if verdict else False,
        defended=verdict.defended if verdict else None,
        scope=verdict.scope if verdict else f"claimed of {claim.scope}",
        reason=verdict.reason if verdict else reason,
        why=claim.why,
        run=by.run if by else None,
        changed=by.changed if by else changed,
        run_said=by.run_said if by else None,
        earlier=earlier,
        command=verdict.command if verdict else claim.command,
    )


def _facts(manifest: Manifest) -> RunFacts:
    where, plan = manifest.environment, manifest.plan
    return RunFacts(
        run=manifest.run,
        started=manifest.started,
        preset=plan.preset,
        settings=plan.settings,
        device=", ".join(f"{device.kind}: {device.name}" for device in where.devices) or "cpu",
        cpu=f"{where.cores} x {where.cpu}",
        machine_id=where.machine_id,
    )


def picked(state: Ledger, documents: Sequence[str], words: Sequence[str]) -> tuple[State, ...]:
    """Of documents with such a part in their name, and of these words; an empty list leaves all."""
    known = dict.fromkeys(claim.document for claim in state.claims)
    for part in documents:
        if not any(part in document for document in known):
            raise UsageError(f"--document {shown(part)}: no such document; {offer(part, 'the ledger', known)}")
    for word in words:
        if word not in get_args(ClaimWord):
            raise UsageError(f"--word {shown(word)}: no such verdict; there are {', '.join(get_args(ClaimWord))}")
    return tuple(
        claim
        for claim in state.claims
        if (not documents or any(part in claim.document for part in documents)) and (not words or claim.word in words)
    )
