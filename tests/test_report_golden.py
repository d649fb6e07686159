"""One golden file for every form a run is told in: what a change does to them is seen line by line.

`pytest tests/test_report_golden.py --update-golden` rewrites them; the difference then stands in the commit.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest
from golden_run import stored
from report_reading import printed

from harness.export.columns import Table
from harness.export.files import write
from harness.export.tables import tables
from harness.report import figures, html, markdown
from harness.report.terminal import summary
from harness.report.view import view

GOLDEN = Path(__file__).parent / "golden"
FIGURES = ("effects-p", "stages-p-base", "edge-p")
TABLES = ("claims", "contrasts")
LONG = re.compile(r"-?\d+\.\d{8,}(?:e[-+]?\d+)?")
SHEET = re.compile(r"(<(style|script)>).*?(</\2>)", re.DOTALL)
DIGEST = re.compile(r"sha256-[A-Za-z0-9+/=]+")
SHOWN = 60
REMEDY = "pytest tests/test_report_golden.py --update-golden rewrites the golden files"


def level(text: str) -> str:
    """Without what is nobody's doing: the last bits of a float, which differ from CPU to CPU, and the copies of the
    style sheet and the script, which are files of their own."""
    shortened = LONG.sub(lambda found: f"{float(found[0]):.7g}", text)
    return DIGEST.sub("sha256-", SHEET.sub(r"\1\3", shortened))


def difference(golden: str, found: str) -> str:
    lines = list(difflib.unified_diff(golden.splitlines(), found.splitlines(), "golden", "found", "", "", 1, ""))
    more = [f"and {len(lines) - SHOWN} lines more"] if len(lines) > SHOWN else []
    return "\n".join([*lines[:SHOWN], *more])


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    manifest, analysis, lines = stored()
    report = view(manifest, analysis)
    drawn = {figure.name: html.svg_file(figure) for figure in figures(report)}
    folder = tmp_path_factory.mktemp("tables")
    chosen: list[Table] = [table for table in tables(manifest, analysis, lines) if table.name in TABLES]
    write(chosen, folder)
    return {
        "report.md": markdown.document(report),
        "report.html": html.page(report),
        "terminal.txt": printed(summary(manifest, analysis, Path("reports/fake-run/report.html"))),
        "analysis.json": analysis.model_dump_json(indent=1) + "\n",
        **{f"{name}.svg": drawn[name].replace("><", ">\n<") for name in FIGURES},
        **{f"{name}.csv": (folder / f"{name}.csv").read_text(encoding="utf-8") for name in TABLES},
    }


NAMES = (
    "report.md",
    "report.html",
    "terminal.txt",
    "analysis.json",
    *(f"{name}.svg" for name in FIGURES),
    *(f"{name}.csv" for name in TABLES),
)


@pytest.mark.parametrize("name", NAMES)
def test_every_form_is_what_it_was(name: str, forms: dict[str, str], request: pytest.FixtureRequest) -> None:
    found = level(forms[name])
    file = GOLDEN / name
    if request.config.getoption("--update-golden"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
    golden = file.read_text(encoding="utf-8") if file.exists() else ""
    if golden != found:
        pytest.fail(f"{name} is not what it was; {REMEDY}\n{difference(golden, found)}", pytrace=False)


def test_no_golden_file_is_left_of_a_form_there_is_no_more() -> None:
    assert {file.name for file in GOLDEN.iterdir()} == set(NAMES)


def test_a_changed_number_shows_as_one_line_against_another(forms: dict[str, str]) -> None:
    told = level(forms["report.md"])
    changed = told.replace("| ✕ refuted |", "| ● supported |", 1)
    shown = difference(told, changed).splitlines()
    assert len([line for line in shown if line.startswith("-|")]) == 1
    assert len([line for line in shown if line.startswith("+|")]) == 1


def test_the_last_bits_of_a_float_are_nobodys_doing_and_all_others_are() -> None:
    assert level('{"a": 0.12345678901234567}') == level('{"a": 0.12345678901234500}') == '{"a": 0.1234568}'
    assert level("0.1234 [0.1230, 0.1238]") == "0.1234 [0.1230, 0.1238]"
    assert level('{"a": 0.12345678901}') != level('{"a": 0.12346678901}')
