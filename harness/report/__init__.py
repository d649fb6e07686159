"""Records to documents: a view model of words and numbers, then HTML, markdown, SVG and the terminal from it.

Reads manifest.json and analysis.json of a run, and nothing else; computes nothing but conversions of unit.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from harness.export.files import Written
from harness.report import html, markdown
from harness.report.shown import Figure, Report
from harness.report.view import view
from harness.store import RunFolder


def render(folder: RunFolder, reports: Path, tables: Sequence[Written] = ()) -> Path:
    """Writes `reports/<run>/` with report.md, report.html and the figures; returns the path of report.html. `tables`
    lie in its folder `tables/`."""
    target = reports / folder.path.resolve().name
    target.mkdir(parents=True, exist_ok=True)
    data = os.path.relpath(folder.path.resolve(), target.resolve())
    report = view(folder.manifest(), folder.analysis(), Path(data).as_posix(), tables)
    drawn = {f"{figure.name}.svg": html.svg_file(figure) for figure in figures(report)}
    for stale in set(target.glob("*.svg")) - {target / name for name in drawn}:
        stale.unlink()
    for name, text in {**drawn, "report.md": markdown.document(report), "report.html": html.page(report)}.items():
        (target / name).write_text(text, encoding="utf-8")
    return target / "report.html"


def figures(report: Report) -> list[Figure]:
    """Those of the sections. A claim's dots stand in the page alone; its readings are written out beside them."""
    sections = (*report.answers, *report.sections)
    blocks = (*filter(None, [report.beyond]), *(block for section in sections for block in section.blocks))
    return [item for block in blocks for item in block.items if isinstance(item, Figure)]
