"""The documents: facts present, in order, harmless, self-contained."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from report_helpers import HOSTILE, RTL, Folder, cayley, hostile, verdict, withheld
from rich.console import Console

from harness.records import Analysis, Interval, Manifest
from harness.report import html, markdown, numbers, render
from harness.report.terminal import plan_table, summary
from harness.report.view import view

Stored = tuple[Manifest, Analysis]
WITHHELD = "noise floor 4.1 % above the margin of 2 %"


class Page(HTMLParser):
    """Tags with their attributes, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\u00a0", " ").split())


def written(tmp_path: Path, stored: Stored) -> Path:
    folder = tmp_path / "results" / "cayley-20261121-232000-00c0"
    folder.mkdir(parents=True)
    return render(Folder(folder, stored), tmp_path / "reports").parent


@pytest.fixture(scope="module")
def stored() -> Stored:
    return cayley()


@pytest.fixture(scope="module")
def parsed(stored: Stored) -> Page:
    return Page(html.page(view(*stored)))


@pytest.fixture(scope="module")
def document(stored: Stored) -> str:
    return markdown.document(view(*stored))


def test_writes_the_documents_and_every_figure_they_link(tmp_path: Path, stored: Stored) -> None:
    folder = written(tmp_path, stored)
    linked = set(re.findall(r"\]\(([^)]+\.svg)\)", (folder / "report.md").read_text()))
    assert linked == {file.name for file in folder.glob("*.svg")} != set()
    for file in folder.glob("*.svg"):
        ET.fromstring(file.read_text(encoding="utf-8"))


def test_rendering_again_gives_the_same_bytes_and_drops_stale_figures(tmp_path: Path, stored: Stored) -> None:
    folder = written(tmp_path, stored)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    (folder / "old.svg").write_text("<svg/>")
    render(Folder(tmp_path / "results" / folder.name, stored), tmp_path / "reports")
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_the_run_named_by_its_folder_stays_inside_reports(tmp_path: Path, stored: Stored) -> None:
    written(tmp_path, hostile(stored))
    outside = [file for file in tmp_path.rglob("*") if file.is_file() and "reports" not in file.parts]
    assert outside == []
    assert [folder.name for folder in (tmp_path / "reports").iterdir()] == ["cayley-20261121-232000-00c0"]


def test_data_files_are_linked_relative_to_the_report(tmp_path: Path, stored: Stored) -> None:
    folder = written(tmp_path, stored)
    links = [a["href"] or "" for tag, a in Page((folder / "report.html").read_text()).tags if tag == "a"]
    data = [link for link in links if not link.startswith("#")]
    assert data == [
        f"../../results/cayley-20261121-232000-00c0/{name}" for name in ("manifest.json", "analysis.json", "trials/")
    ]


def headline_facts(analysis: Analysis) -> list[str]:
    claims = [claim for claim in analysis.claims if claim.headline]
    facts = [claim.statement for claim in claims]
    facts += [numbers.with_interval(claim.measured, unit="%") for claim in claims if claim.measured]
    return [*facts, "about 78 %", "at least 43 %", "n = 6 trials", "refuted", "qualified", "24.4 %", "at least 16.6 %"]


def test_both_documents_begin_with_the_headline(stored: Stored, parsed: Page, document: str) -> None:
    for fact in headline_facts(stored[1]):
        assert fact in parsed.text[: parsed.text.index("judged one by one")]
        assert fact in document[: document.index("## Claims")]


def test_both_documents_keep_the_order_of_sections(parsed: Page, document: str) -> None:
    titles = [
        "Headline",
        "Claims",
        "Where the time goes",
        "What each change did",
        "Every cell",
        "Can I trust",
        "Repeat",
    ]
    for title in titles:
        assert f"## {title}" in document
    assert [document.index(f"## {title}") for title in titles] == sorted(document.index(f"## {t}") for t in titles)
    sections = [a["id"] for tag, a in parsed.tags if tag == "section" and a.get("id")]
    assert sections == ["headline", "claims", "time", "changes", "cells", "trust", "repeat"]


def test_every_contrast_stands_in_both_with_interval_and_verdict(stored: Stored, parsed: Page, document: str) -> None:
    contrasts = [each for part in stored[1].parts for each in part.contrasts if each.verdict in ("faster", "slower")]
    assert len(contrasts) > 10
    for each in contrasts:
        assert each.ratio is not None
        shown = numbers.with_interval(each.ratio)
        assert shown in parsed.text
        assert re.search(rf"{re.escape(shown)}.*", document)
        assert numbers.change(each.ratio) in parsed.text


def test_no_ratio_is_printed_of_a_cell_whose_outputs_are_wrong(stored: Stored, parsed: Page, document: str) -> None:
    invalid = next(each for part in stored[1].parts for each in part.contrasts if each.verdict == "invalid")
    assert invalid.ratio is not None
    shown = numbers.with_interval(invalid.ratio)
    assert shown not in parsed.text
    assert shown not in document
    assert "output error 0.4 beyond 2e-6" in parsed.text


def test_a_failed_cell_and_a_stalled_solver_are_said_plainly(parsed: Page, document: str) -> None:
    for source in (parsed.text, document):
        assert "gave no time, timed out: no answer after 120 s" in source
        assert (
            "The solver stalled short of its tolerance, so that the time is that of an unfinished computation" in source
        )
        assert "in 1 cell: adaptive + compiled (iterations 50, residual 3.2e-3)" in source


def test_untested_claims_say_why_and_what_would_test_them(parsed: Page, document: str) -> None:
    for source in (parsed.text, document):
        assert "his suite runs no training step" in source
        assert "semh run suites/wide.yaml --preset quick" in source


def test_stages_stand_beside_the_stated_share_with_sum_and_residual(
    stored: Stored, parsed: Page, document: str
) -> None:
    closure = stored[1].parts[1].cells[0].closure
    assert closure is not None
    total = numbers.in_digits_of(1 - closure.point, closure)
    sentence = (
        f"status quo: sum of the stages {float(total) * 100:.2f} % of end to end, "
        f"residual {numbers.percent(closure)} of the whole, n = 6 trials (goal under 3 %: met)."
    )
    assert sentence in parsed.text
    assert sentence in document
    assert "stated about 78 %" in parsed.text


def test_conditions_threads_and_device_stand_with_every_part(parsed: Page, document: str) -> None:
    for source in (parsed.text, document):
        assert "sem_propagator, forward, P 2048, rows 512, dt 0.1, training_step 0, 1 thread, cpu" in source
        assert "sem, size document, forward, batch_size 1, seq_len 512, 1 thread, cpu" in source


def test_what_stood_guard_is_reported(parsed: Page, document: str) -> None:
    for source in (parsed.text, document):
        for fact in (
            "Noise floor: larger end of the control's interval",
            "Canary, second reading over first",
            "lost share 0.061 beyond 0.02",
            "57 were undisturbed throughout",
            "process 4, trial 2 of stage, attempt 1: process ended",
            "no performance counters; no CUDA device",
            "Cells steady after warm-up",
            "0123abc, with uncommitted changes",
        ):
            assert fact in source


def test_the_evidence_of_a_claim_shows_readings_guards_cells_and_command(parsed: Page) -> None:
    evidence = parsed.text[parsed.text.index("Why refuted") : parsed.text.index("Why qualified")]
    for fact in (
        "n = 6 trials",
        "give or take 3 %",
        "status quo (total), stage propagator",
        "host stable, noise floor 0.33 %",
        "agrees with the float64 oracle: error 2.3e-7, tolerance 2e-6 (suite size)",
        "the stages sum to the whole but for 1.27 %",
        "semh run suites/cayley.yaml --preset quick",
    ):
        assert fact in evidence


@pytest.mark.parametrize(
    ("trials", "preset", "stable", "title", "remedy"),
    [
        (6, "quick", False, "Verdicts are withheld: unstable host", "semh run cayley --preset full"),
        (2, "smoke", True, "No verdicts: this is a smoke run", "semh run cayley --preset quick"),
    ],
)
def test_withheld_verdicts_are_announced_before_any_number(
    trials: int, preset: str, stable: bool, title: str, remedy: str
) -> None:
    stored = withheld(cayley(n=trials, preset=preset), WITHHELD, stable=stable)
    report = view(*stored)
    text, document = Page(html.page(report)).text, markdown.document(report)
    terminal = printed(summary(*stored, Path("report.html")))
    for source in (text, document, terminal):
        first = source[: source.index("Cayley-Soliton consumes")]
        assert title in first
        assert remedy in first
    assert "▼ faster" not in document + terminal
    assert "□ withheld" in document


def test_an_early_end_and_an_unfinished_run_are_announced(stored: Stored) -> None:
    manifest, analysis = stored
    fewer = analysis.model_copy(update={"trials_done": 4})
    early = view(manifest.model_copy(update={"stopped_early": "time budget"}), fewer)
    assert early.alerts[0].reasons == ("4 of 6 planned trials done (time budget): intervals are wider than planned.",)
    running = view(manifest.model_copy(update={"state": "running"}), fewer)
    assert running.alerts[0].remedy == "semh run cayley --resume"


def test_a_dead_switch_is_named_as_dead(stored: Stored) -> None:
    manifest, analysis = stored
    part = analysis.parts[0].model_copy(update={"dead_switches": ("kernels",)})
    report = view(manifest, analysis.model_copy(update={"parts": (part, analysis.parts[1])}))
    assert "Dead switch: kernels." in Page(html.page(report)).text
    assert "Dead switch: kernels." in markdown.document(report)


def test_a_suite_without_headline_leads_with_its_largest_effects(stored: Stored) -> None:
    manifest, analysis = stored
    report = view(manifest, analysis.model_copy(update={"claims": ()}))
    assert report.headline == ()
    assert len(report.changes) == 3
    assert "faster" in report.changes[0]
    assert "This suite names no claims." in Page(html.page(report)).text


def test_a_run_in_which_nothing_was_measured_still_renders(tmp_path: Path, stored: Stored) -> None:
    manifest, analysis = stored
    parts = tuple(
        part.model_copy(
            update={
                "control": None,
                "floor": None,
                "canary": None,
                "canary_spread": None,
                "order_effect": None,
                "effects": (),
                "shapley": (),
                "contrasts": (),
                "cells": tuple(
                    cell.model_copy(
                        update={"time_s": None, "outcome": "not run", "peak_bytes": None, "stages": (), "steady": None}
                    )
                    for cell in part.cells
                ),
            }
        )
        for part in analysis.parts
    )
    empty = analysis.model_copy(update={"parts": parts, "trials_done": 0})
    text = (written(tmp_path, (manifest, empty)) / "report.md").read_text()
    assert "no control cell, so no noise floor" in text
    assert "timed no stages and read no peak memory" in text


def test_one_trial_has_no_interval_and_says_so(stored: Stored) -> None:
    manifest, analysis = stored
    once = Interval(point=24.13, low=24.13, high=24.13, n=1)
    claim = verdict(
        id="a.b", statement="s", stated=78, verdict="untested", measured=once, trials=(24.1,), reason="one trial"
    )
    report = view(manifest, analysis.model_copy(update={"claims": (claim,)}))
    text = Page(html.page(report)).text
    assert "24 % [no interval]" in text
    assert "24.13" not in text


def test_the_page_is_self_contained_and_runs_nothing(stored: Stored, parsed: Page) -> None:
    source = html.page(view(*stored))
    assert len(source.encode()) < 2_000_000
    tags = {tag for tag, _ in parsed.tags}
    assert not tags & {"script", "img", "iframe", "object", "embed", "form", "base", "foreignobject", "image", "use"}
    for tag, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
    assert re.findall(r"(?:https?:)?//[a-z][^\s\"<]*", source) == ["http://www.w3.org/2000/svg"] * source.count("<svg")
    assert "url(" not in source
    policy = next(a["content"] for tag, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_headings_descend_one_step_at_a_time_and_ids_are_unique(parsed: Page) -> None:
    levels = [int(tag[1]) for tag, _ in parsed.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1 == levels[0]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    ids = [a["id"] for _, a in parsed.tags if "id" in a]
    assert len(ids) == len(set(ids))
    anchors = {(a["href"] or "")[1:] for tag, a in parsed.tags if tag == "a" and (a["href"] or "").startswith("#")}
    assert anchors <= set(ids)


def test_every_chart_has_a_title_and_its_axis_is_named(stored: Stored) -> None:
    for drawn in re.findall(r"<svg.*?</svg>", html.page(view(*stored)), re.DOTALL):
        figure = ET.fromstring(drawn)
        name = "{http://www.w3.org/2000/svg}"
        title = figure.find(f"{name}title")
        assert title is not None
        assert title.text
        assert figure.attrib["role"] == "img"
        assert title.attrib["id"] in figure.attrib["aria-labelledby"]
        axis = [node.text for node in figure.iter(f"{name}text") if node.attrib.get("class") == "axis"]
        assert axis
        assert all(axis)


def test_log_axes_say_so(stored: Stored) -> None:
    report = view(*stored)
    drawn = html.page(report)
    assert drawn.count("time over the baseline&#x27;s time (log axis)") >= 4
    assert "relative error against the float64 oracle (log axis)" in drawn


def test_hostile_text_is_inert_in_the_page(stored: Stored) -> None:
    clean, hurt = Page(html.page(view(*stored))), Page(html.page(view(*hostile(stored))))
    known = {tag for tag, _ in clean.tags} | {"bdi"}
    assert {tag for tag, _ in hurt.tags} <= known
    assert not [a for _, a in hurt.tags if any(name.startswith("on") for name in a)]
    assert '<script>alert("x")</script>' in hurt.text
    assert "(10000 characters)" in hurt.text
    assert "\u202e" not in hurt.text
    assert "\x1b" not in hurt.text
    hrefs = [a["href"] or "" for tag, a in hurt.tags if tag == "a"]
    assert not [link for link in hrefs if not link.startswith(("#", "./"))]
    assert len(html.page(view(*hostile(stored)))) < 2_000_000


def test_right_to_left_text_is_isolated(stored: Stored) -> None:
    source = html.page(view(*hostile(stored)))
    assert f"<bdi>{RTL}</bdi>" in source
    assert source.count("<bdi>") == source.count("</bdi>")
    assert "\u2068" not in re.sub(r"<svg.*?</svg>", "", source, flags=re.DOTALL)


def test_hostile_text_is_inert_in_the_figures(tmp_path: Path, stored: Stored) -> None:
    for file in written(tmp_path, hostile(stored)).glob("*.svg"):
        figure = ET.fromstring(file.read_text(encoding="utf-8"))
        tags = {node.tag.rpartition("}")[2] for node in figure.iter()}
        assert tags <= {"svg", "title", "desc", "style", "rect", "line", "path", "circle", "text"}
        assert re.fullmatch(r"[a-z0-9-]+\.svg", file.name)


def test_hostile_text_is_inert_in_markdown(stored: Stored) -> None:
    source = markdown.document(view(*hostile(stored)))
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(source)
    kinds = [inner for token in tokens for inner in (token, *(token.children or ()))]
    assert not [token for token in kinds if token.type == "html_block"]
    assert {token.content for token in kinds if token.type == "html_inline"} <= {"<!-- -->"}
    links = [token.attrs["href"] for token in kinds if token.type == "link_open"]
    assert [str(link).rpartition("/")[2] for link in links] == ["manifest.json", "analysis.json", ""]
    images = [str(token.attrs["src"]) for token in kinds if token.type == "image"]
    assert all(re.fullmatch(r"[a-z0-9-]+\.svg", image) for image in images)


def test_every_row_of_a_markdown_table_has_the_columns_of_its_head(stored: Stored) -> None:
    for source in (markdown.document(view(*stored)), markdown.document(view(*hostile(stored)))):
        tables = re.findall(r"(?:^\|.*\|\n)+", source, re.MULTILINE)
        read = MarkdownIt("commonmark").enable("table").parse(source)
        assert len(tables) == sum(token.type == "table_open" for token in read) > 5
        for table in tables:
            columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(columns) == 1, table[:300]


@pytest.mark.parametrize(
    "text",
    [
        "24.2 % [24.0, 24.4]",
        "sem_topology.total_saving",
        "a | b",
        "1. no list",
        "- no list",
        "# no title",
        "*x* _y_ `z`",
    ],
)
def test_escaped_markdown_reads_as_the_text_itself(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(markdown.escape(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    children = tokens[1].children or []
    assert "".join(child.content for child in children) == text


def printed(renderable: object, width: int = 80) -> str:
    console = Console(width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_the_terminal_says_headline_effects_floor_and_path_in_80_columns(stored: Stored) -> None:
    shown = printed(summary(*stored, Path("reports/cayley/report.html")))
    assert max(len(line) for line in shown.splitlines()) <= 80
    order = ["Cayley-Soliton consumes", "✕ refuted", "matrix: rebuild → cached", "noise floor", "reports/cayley/report"]
    assert [shown.index(fact) for fact in order] == sorted(shown.index(fact) for fact in order)
    contrast = stored[1].parts[0].contrasts[7]
    assert contrast.ratio is not None
    line = next(line for line in shown.splitlines() if "matrix: rebuild → cached" in line)
    assert numbers.with_interval(contrast.ratio) in line
    assert line.rstrip().endswith("▼ faster")
    assert "The solver stalled short" in shown
    assert "timed out" in shown


def test_the_terminal_takes_no_markup_or_control_from_a_name(stored: Stored) -> None:
    manifest, analysis = hostile(stored)
    plan = manifest.plan.model_copy(update={"title": "[bold]x[/] " + HOSTILE})
    for renderable in (summary(manifest, analysis, Path("r.html")), plan_table(plan)):
        shown = printed(renderable)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
    assert "[bold]x[/]" in shown


def test_the_plan_names_cells_groups_and_cost(stored: Stored) -> None:
    shown = printed(plan_table(stored[0].plan))
    for fact in (
        "6 trials",
        "full_factorial, 17 cells, 10 blocks a trial",
        "572 MiB",
        "stages timed: encoder",
        "control",
    ):
        assert fact in shown
