"""The documents are self-contained, well formed, readable by machines, and inert whatever a name holds."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from report_helpers import cayley
from report_hostile import RTL, hostile
from report_reading import Page, Stored, written

from harness.report import figures, html, markdown
from harness.report.view import view


@pytest.fixture(scope="module")
def stored() -> Stored:
    return cayley()


@pytest.fixture(scope="module")
def parsed(stored: Stored) -> Page:
    return Page(html.page(view(*stored)))


def test_the_page_is_self_contained_and_runs_its_own_script_alone(stored: Stored, parsed: Page) -> None:
    source = html.page(view(*stored))
    assert len(source.encode()) < 2_000_000
    tags = {tag for tag, _ in parsed.tags}
    assert sum(tag == "script" for tag, _ in parsed.tags) == 1
    assert not tags & {"img", "iframe", "object", "embed", "form", "base", "foreignobject", "image", "use"}
    for tag, attributes in parsed.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
    assert re.findall(r"(?:https?:)?//[a-z][^\s\"<]*", source) == ["http://www.w3.org/2000/svg"] * source.count("<svg")
    assert "url(" not in source
    policy = next(a["content"] for tag, a in parsed.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    [script] = re.findall(r"<script>(.*?)</script>", source, re.DOTALL)
    assert len(script.encode()) < 6000
    pinned = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert f"script-src 'sha256-{pinned}';" in policy
    assert "unsafe" not in policy


def test_a_run_of_two_hundred_cells_stays_under_two_megabytes(stored: Stored) -> None:
    manifest, analysis = stored
    [wide] = [part for part in manifest.plan.parts if len(part.cells) > 10]
    [found] = [part for part in analysis.parts if part.part == wide.name]
    names = [f"part {n}" for n in range(12)]
    plans = [
        wide.model_copy(update={"name": name, "cells": tuple(c.model_copy(update={"part": name}) for c in wide.cells)})
        for name in names
    ]
    named = [
        found.model_copy(
            update={
                "part": name,
                "cells": tuple(c.model_copy(update={"part": name}) for c in found.cells),
                "contrasts": tuple(c.model_copy(update={"part": name}) for c in found.contrasts),
            }
        )
        for name in names
    ]
    plan = manifest.plan.model_copy(update={"parts": tuple(plans)})
    assert sum(len(part.cells) for part in named) >= 200
    large = view(manifest.model_copy(update={"plan": plan}), analysis.model_copy(update={"parts": tuple(named)}))
    assert len(html.page(large).encode()) < 2_000_000


def test_figures_whose_parts_read_alike_have_names_of_their_own(stored: Stored) -> None:
    names = [figure.name for figure in figures(view(*hostile(stored)))]
    assert len(names) == len(set(names)) > 5


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
    assert not [token for token in kinds if token.type == "html_inline"]
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
