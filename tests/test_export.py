"""Tables for other programs: pandas finds the numbers of the analysis again, in CSV and in parquet."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pandas
import pytest
from analysis_helpers import FACTORS, World, cell, cost, factorial_cells, world
from report_helpers import Folder, cayley
from report_hostile import HOSTILE, hostile
from stored_runs import stored

import cli
import harness
from harness.export import Written, export
from harness.records import Counters, Interval
from harness.report import html, markdown
from harness.report.view import view
from harness.store import RunFolder, append_lines

RUN = "fake-20260101-000000-aaaa"
STAGES = {"encoder": 0.2, "propagator": 0.5, "propagator.backward": 0.3}
FORMATS = {"csv": pandas.read_csv, "parquet": pandas.read_parquet}


def made() -> World:
    probes = {"base": {"iterations": 7.0, "outcome": "converged"}}
    return world(stages=STAGES, lost=lambda trial, number, _: 0.5 * (trial == 2 and number == 1), probes=probes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return stored(made(), tmp_path_factory.mktemp("results"), RUN)


@pytest.fixture(scope="module")
def tables(folder: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("report") / "tables"
    export(folder, target)
    return target


def read(tables: Path, name: str, form: str) -> pandas.DataFrame:
    return FORMATS[form](tables / f"{name}.{form}")


def same(row: pandas.Series, name: str, interval: Interval) -> None:
    ends = (row[name], row[f"{name}_low"], row[f"{name}_high"], row[f"{name}_n"])
    assert ends == (interval.point, interval.low, interval.high, interval.n)


@pytest.mark.parametrize("form", FORMATS)
def test_the_numbers_of_the_analysis_are_found_again_to_the_last_digit(
    folder: RunFolder, tables: Path, form: str
) -> None:
    [part] = folder.analysis().parts
    cells = read(tables, "cells", form).set_index("cell")
    assert list(cells.index) == [one.cell for one in part.cells]
    for one in part.cells:
        same(cells.loc[one.cell], "time_s", one.time_s)
        assert bool(cells.loc[one.cell].control) == (one.name == "control")
    assert json.loads(cells.loc["matrix=cached"].variant) == {"matrix": "cached", "kernels": "eager"}
    contrasts = read(tables, "contrasts", form)
    every = [*part.contrasts, *part.stage_contrasts]
    assert len(contrasts) == len(every) > len(part.contrasts)
    for (_, row), one in zip(contrasts.iterrows(), every, strict=True):
        same(row, "ratio", one.ratio)
        assert (row.cell, row.verdict) == (one.cell, one.verdict)
    ratios = read(tables, "contrast_trials", form)
    whole = ratios[ratios.stage.isna() | (ratios.stage == "")]
    assert list(whole[whole.cell == "matrix=cached"].ratio) == list(
        next(one for one in part.contrasts if one.cell == "matrix=cached").trials
    )
    effects = read(tables, "effects", form)
    assert list(effects.ratio) == [one.ratio.point for one in part.effects]
    stages = read(tables, "stages", form)
    assert len(stages) == sum(len(one.stages) for one in part.cells) == len(part.cells) * len(STAGES)
    assert read(tables, "parts", form).floor[0] == part.floor


@pytest.mark.parametrize("form", FORMATS)
def test_samples_are_those_of_the_lines_and_the_medians_are_made_of_the_quiet_ones(
    folder: RunFolder, tables: Path, form: str
) -> None:
    samples = read(tables, "samples", form)
    planned = made()
    arms = len(planned.cells) * 2 + 2
    assert len(samples) == planned.trials * planned.blocks * arms
    assert samples.counted.all()
    disturbed = samples[~samples.quiet]
    assert set(zip(disturbed.trial, disturbed.block, strict=True)) == {(2, 1)}
    bare = samples[(samples.cell == "base") & (samples.arm == "bare") & samples.quiet]
    [part] = folder.analysis().parts
    time = next(one for one in part.cells if one.cell == "base").time_s
    assert bare.groupby("trial").time_s.median().apply(float).prod() ** (1 / 6) == pytest.approx(time.point)
    stages = read(tables, "stage_samples", form)
    assert len(stages) == planned.trials * planned.blocks * len(planned.cells) * len(STAGES)
    assert set(stages.stage) == set(STAGES)


def test_a_number_and_a_word_have_columns_of_their_own(tmp_path: Path) -> None:
    asked = world(probes={"base": {"iterations": 7.0, "outcome": "converged"}})
    part = asked.part.model_copy(update={"reads": ("iterations", "outcome")})
    folder = stored(asked, tmp_path, RUN, plan=asked.plan.model_copy(update={"parts": (part,)}))
    export(folder, tmp_path / "tables")
    readings = pandas.read_csv(tmp_path / "tables" / "readings.csv")
    base = readings[readings.cell == "base"].set_index("probe")
    assert base.loc["iterations"].value == 7.0
    assert base.loc["outcome"].value_word == "converged"


def test_counters_are_exact_however_large(tmp_path: Path) -> None:
    folder = stored(world(), tmp_path, RUN)
    with folder.trial_file(0).open("ab") as file:
        append_lines(file, [Counters(cell="base", values={"flops": 2**60 + 1, "share": 0.5})])
    harness.conclude(folder, tmp_path / "reports")
    target = tmp_path / "reports" / RUN / "tables"
    with (target / "counters.csv").open() as file:
        told = {row["counter"]: row["value"] for row in csv.DictReader(file)}
    assert told == {"flops": str(2**60 + 1), "share": "0.5"}
    assert pandas.read_parquet(target / "counters.parquet").value[0] == float(2**60 + 1)


def test_text_that_a_spreadsheet_would_run_is_led_by_an_apostrophe_and_numbers_are_not(tmp_path: Path) -> None:
    hurt = ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\tx", "\n=1", "\r=1", 'a "quoted", name\r\nof\rlines']
    cells = [*factorial_cells(FACTORS), *(cell(f"c{n}", {"matrix": "x", "kernels": "x"}) for n in range(len(hurt)))]
    named = {f"c{n}": name for n, name in enumerate(hurt)}
    renamed = [one.model_copy(update={"name": named.get(one.id, one.name)}) for one in cells]
    folder = stored(replace(world(), cells=renamed, times=cost), tmp_path, RUN)
    export(folder, tmp_path / "tables")
    with (tmp_path / "tables" / "cells.csv").open(newline="") as file:
        told = {row["cell"]: row["name"] for row in csv.DictReader(file)}
    assert [told[f"c{n}"] for n in range(len(hurt))] == [f"'{name}" for name in hurt[:-1]] + hurt[-1:]
    plain = pandas.read_parquet(tmp_path / "tables" / "cells.parquet").set_index("cell").name
    assert [plain[f"c{n}"] for n in range(len(hurt))] == hurt
    with (tmp_path / "tables" / "steps.csv").open() as file:
        assert file.read().startswith("part,")


def test_hostile_records_give_the_same_files_and_nothing_outside(tmp_path: Path) -> None:
    clean, hurt = cayley(), hostile(cayley())
    for name, pair in (("clean", clean), ("hurt", hurt)):
        export(Folder(tmp_path / "results" / name, pair), tmp_path / "reports" / name / "tables")
    names = [sorted(one.name for one in (tmp_path / "reports" / n / "tables").iterdir()) for n in ("clean", "hurt")]
    assert names[0] == names[1]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["reports"]
    [first, *_] = pandas.read_csv(tmp_path / "reports" / "hurt" / "tables" / "claims.csv").scope
    assert first == HOSTILE


def test_without_pyarrow_there_is_csv_alone_and_the_report_says_how_to_have_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = stored(world(), tmp_path / "results", RUN)
    harness.conclude(folder, tmp_path / "reports")
    report = tmp_path / "reports" / RUN
    assert (report / "tables" / "cells.parquet").exists()
    monkeypatch.setattr("harness.export.files.find_spec", lambda _: None)
    harness.conclude(folder, tmp_path / "reports")
    assert not list((report / "tables").glob("*.parquet"))
    assert pandas.read_csv(report / "tables" / "cells.csv").time_s.notna().all()
    for document in ("report.html", "report.md"):
        assert "parquet: install semh[tables]" in (report / document).read_text().replace("\\", "")


def test_every_link_of_a_report_to_its_tables_leads_to_a_file(folder: RunFolder, tmp_path: Path) -> None:
    shutil.copytree(folder.path, tmp_path / "results" / RUN)
    harness.conclude(RunFolder(tmp_path / "results" / RUN), tmp_path / "reports")
    report = tmp_path / "reports" / RUN
    page = (report / "report.html").read_text()
    linked = [piece.split('"')[0] for piece in page.split('href="')[1:] if piece.startswith("tables/")]
    assert {"tables/", "tables/cells.csv", "tables/contrasts.csv", "tables/samples.csv"} <= set(linked)
    assert all((report / link).exists() for link in linked)
    assert "tables/map.csv" not in linked, "it holds nothing"
    assert (report / "tables" / "map.csv").exists()


def test_a_view_without_tables_names_none() -> None:
    assert "tables/" not in html.page(view(*cayley()))
    told = markdown.document(view(*cayley(), tables=(Written("cells", "a cell", 3, True),)))
    assert "[tables/cells.csv](<tables/cells.csv>): 3 rows, each a cell" in told


def test_report_open_shows_the_page_in_the_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    stored(world(), tmp_path / "results", RUN)
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    for words in (["report", RUN], ["report", RUN, "--open"]):
        monkeypatch.setattr(sys, "argv", ["semh", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
    assert opened == [(tmp_path / "reports" / RUN / "report.html").as_uri()]
