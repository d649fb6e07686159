"""The state of the whole ledger over all stored runs: of every claim the newest word that says anything.

A run's words are those of the ledger it was given, which it keeps. While an entry stands as it was, the stored word
stands: it is the one in the run's report. Where the entry has changed in what the word depends on (what is stated, how
it is judged), the old word answers a question that nobody asks any more: the present entry is judged on the stored
numbers, and the row says what changed and what the run itself had said. Nothing stored is changed. A run that was
analysed by older code is brought up to date by `semh report RUN`.

    newest first    the first run whose word is not `untested` decides: a smoke run never hides an earned verdict
    earlier         the first older word that settled the claim, and another one: it stands beside the newer
    arithmetic      judged here and now; no run has a say
    untested        no run says anything; with the command that would, and what a run said of the entry as it was
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from harness.audit import audited
from harness.claims.ledger import Claim, read_ledger
from harness.claims.verdict import judge
from harness.errors import StoreError, SuiteError, UsageError, offer, shown
from harness.records import Analysis, ClaimVerdict, ClaimWord, Interval, Manifest, Record, Value
from harness.store import RunFolder, run_folders

SETTLED: tuple[ClaimWord, ...] = ("supported", "refuted", "qualified")
BOUND = ("relation", "stated", "stated_high", "tolerance", "unit")
"""What of an entry its word depends on, beside where in the run's suite it is judged."""
SAID = ("statement", "scope", "section", "line_sha256")
"""What else a reader would miss if it had changed."""


class RunFacts(Record):
    """A stored run that has a say."""

    run: str
    started: str
    preset: str
    settings: dict[str, Value]
    """Conditions given on the command line."""
    device: str
    cpu: str
    machine_id: str


class Earlier(Record):
    word: ClaimWord
    run: str


class State(Record):
    """Of one claim."""

    id: str
    document: str
    section: str
    line: int
    kind: str
    headline: bool
    statement: str
    word: ClaimWord
    stated: float
    stated_high: float | None
    relation: str
    unit: str
    measured: Interval | None
    counted: bool
    defended: float | None
    scope: str
    reason: str
    why: str
    """For the reader, in the ledger's words."""
    run: str | None
    """None where no run says anything, and for arithmetic."""
    changed: str
    """How the entry differs from the one the run was given; empty where it does not."""
    run_said: ClaimWord | None
    """The word of the run itself, where the changed entry was judged again."""
    earlier: Earlier | None
    command: str
    """What repeats it, or would test it."""


class Ledger(Record):
    claims: tuple[State, ...]
    runs: tuple[RunFacts, ...]
    """Those whose words are shown."""
    unread: tuple[str, ...]
    """Runs that could not be read, and why."""

    def counts(self) -> dict[str, dict[str, int]]:
        """Document -> word -> claims."""
        found: dict[str, Counter[str]] = {}
        for claim in self.claims:
            found.setdefault(claim.document, Counter())[claim.word] += 1
        return {document: dict(words) for document, words in found.items()}


@dataclass(frozen=True)
class Said:
    """What one run says of one claim."""

    run: str
    verdict: ClaimVerdict
    changed: str
    run_said: ClaimWord | None


@dataclass(frozen=True)
class Stored:
    """A run as it lies there."""

    manifest: Manifest
    analysis: Analysis
    entries: Mapping[str, Claim]
    """Of the ledger it was given; none where that is of a form no longer read."""


def ledger_state(results: Path, claims: Sequence[Claim]) -> Ledger:
    runs, unread = _stored(results)
    exact = {verdict.id: verdict for verdict in audited(claims, numeric=False)}
    states = tuple(_state(claim, exact.get(claim.id), runs) for claim in claims)
    named = {run for state in states for run in (state.run, state.earlier.run if state.earlier else None)}
    return Ledger(
        claims=states,
        runs=tuple(_facts(run.manifest) for run in runs if run.manifest.run in named),
        unread=tuple(unread),
    )


def picked(state: Ledger, documents: Sequence[str], words: Sequence[str]) -> tuple[State, ...]:
    """Of these documents and words; an empty list leaves all."""
    known = dict.fromkeys(claim.document for claim in state.claims)
    wanted = [_known(name if name in known else f"{name}.md", name, known, "document") for name in documents]
    for word in words:
        _known(word, word, get_args(ClaimWord), "verdict")
    return tuple(
        claim
        for claim in state.claims
        if (not documents or claim.document in wanted) and (not words or claim.word in words)
    )


def _known(name: str, given: str, known: Iterable[str], what: str) -> str:
    if name not in known:
        raise UsageError(f"no {what} {shown(given)}; {offer(given, 'the ledger', known)}")
    return name


def _stored(results: Path) -> tuple[list[Stored], list[str]]:
    """Newest first, without calibrations."""
    runs, unread = [], []
    for folder in run_folders(results):
        try:
            manifest = folder.manifest()
            if manifest.plan.purpose == "measure":
                runs.append(Stored(manifest, _analysis(folder, manifest), _entries(manifest)))
        except StoreError as error:
            unread.append(f"{folder.name}: {error}")
    return runs, unread


def _analysis(folder: RunFolder, manifest: Manifest) -> Analysis:
    if manifest.state == "running" and not (folder.path / "analysis.json").exists():
        raise StoreError("unfinished, and not analysed; `semh run ... --resume` goes on with it")
    return folder.analysis()


def _entries(manifest: Manifest) -> dict[str, Claim]:
    try:
        return {claim.id: claim for claim in read_ledger(manifest.claims_text)}
    except SuiteError:
        return {}


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


def _state(claim: Claim, exact: ClaimVerdict | None, runs: Sequence[Stored]) -> State:
    if exact is not None:
        return _row(claim, exact)
    said = list(_said(claim, runs))
    earned = [one for one in said if one.verdict.verdict != "untested"]
    if not earned:
        return _untested(claim, said)
    newest = earned[0]
    settled = (one for one in earned[1:] if one.verdict.verdict in SETTLED)
    other = next(settled, None)
    differs = other is not None and other.verdict.verdict != newest.verdict.verdict
    earlier = Earlier(word=other.verdict.verdict, run=other.run) if other is not None and differs else None
    return _row(claim, newest.verdict, newest, earlier)


def _said(claim: Claim, runs: Sequence[Stored]) -> Iterator[Said]:
    """Of the runs whose suite the claim is judged by, newest first."""
    suites = {address.suite for address in claim.judged_by}
    for run in runs:
        if run.manifest.plan.suite not in suites:
            continue
        given = run.entries.get(claim.id)
        stored = next((verdict for verdict in run.analysis.claims if verdict.id == claim.id), None)
        bound = _bound(claim, given, run.manifest.plan.suite) if given is not None else []
        changed = _changed(claim, given, stored, bound)
        if stored is not None and given is not None and not bound:
            yield Said(run.manifest.run, stored, changed, None)
            continue
        now = judge(claim, run.analysis.parts, run.manifest.plan)
        before = stored.verdict if stored is not None and stored.verdict != now.verdict else None
        yield Said(run.manifest.run, now, changed, before)


def _bound(claim: Claim, given: Claim, suite: str) -> list[str]:
    """What has changed of all that the word depends on."""
    places = [[address for address in entry.judged_by if address.suite == suite] for entry in (claim, given)]
    return [*_differing(claim, given, BOUND), *(["where it is judged"] if places[0] != places[1] else [])]


def _changed(claim: Claim, given: Claim | None, stored: ClaimVerdict | None, bound: Sequence[str]) -> str:
    if given is None:
        return "the ledger of the run has no such entry: judged by the present one, on the stored numbers"
    if stored is None:
        return "the run was not asked for it: judged now, on the stored numbers"
    if bound:
        return f"the entry has changed since ({', '.join(bound)}): judged again, on the stored numbers"
    said = _differing(claim, given, SAID)
    return f"the entry has changed since ({', '.join(said)}), in nothing the word depends on" if said else ""


def _differing(claim: Claim, given: Claim, fields: Sequence[str]) -> list[str]:
    return [field.replace("_", " ") for field in fields if getattr(claim, field) != getattr(given, field)]


def _untested(claim: Claim, said: Sequence[Said]) -> State:
    """Why, in the newest run's words where one held it; beside it what a run said of the entry as it was."""
    told = next((one for one in said if one.run_said not in (None, "untested")), None)
    if told is not None and told.run_said is not None:
        state = _row(claim, told.verdict, earlier=Earlier(word=told.run_said, run=told.run))
        return state.model_copy(update={"changed": told.changed})
    if said:
        return _row(claim, said[0].verdict)
    reason = claim.untested_because or (
        "no run of a suite that measures it" if claim.judged_by else "not computed here"
    )
    return _row(claim, None, reason=reason)


def _row(
    claim: Claim,
    verdict: ClaimVerdict | None,
    said: Said | None = None,
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
        run=said.run if said else None,
        changed=said.changed if said else "",
        run_said=said.run_said if said else None,
        earlier=earlier,
        command=verdict.command if verdict else claim.command,
    )
