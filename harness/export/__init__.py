"""Every table of a run for other programs: `reports/<run>/tables/*.csv`, and parquet beside it where pyarrow is there.

Made from the records on disk, never from a report's words, and read by nothing here: numbers as they were stored, in
seconds, bytes and plain fractions. `tables` says which there are, `columns` how a record becomes a row, `files` writes.
"""

from __future__ import annotations

from pathlib import Path

from harness.export.files import Written, write
from harness.export.tables import tables
from harness.store import RunFolder

__all__ = ["Written", "export"]


def export(folder: RunFolder, target: Path) -> tuple[Written, ...]:
    """Writes the tables of a run into `target`."""
    manifest, analysis = folder.manifest(), folder.analysis()
    lines = {process.number: folder.lines(process.number) for process in manifest.processes}
    return write(tables(manifest, analysis, lines), target)
