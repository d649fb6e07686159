"""The runs as they lie in `results/`, each with the ledger it was given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.claims.ledger import Claim, read_ledger
from harness.errors import StoreError, SuiteError
from harness.records import Analysis, Manifest
from harness.store import RunFolder, known_runs


@dataclass(frozen=True)
class Stored:
    """A run as it lies there."""

    manifest: Manifest
    analysis: Analysis
    entries: Mapping[str, Claim]
    """Of the ledger it was given; none where that is of a form no longer read."""


def stored(results: Path) -> tuple[list[Stored], list[str]]:
    """Newest first, without calibrations."""
    runs, unread = [], []
    for folder in known_runs(results):
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
