"""Imports go down only: cli -> harness -> no system; a system's files -> torch, its system room -> harness.system."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HARNESS = sorted((ROOT / "harness").rglob("*.py"))
SYSTEMS = sorted(ROOT.glob("*_impl/**/*.py"))
TESTS = sorted((ROOT / "tests").glob("*.py"))
TORCH_FREE = ("stats", "report", "claims", "export", "records")


def imports(file: Path, top_level_only: bool = False) -> set[str]:
    tree = ast.parse(file.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module)
    return found


def named(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", HARNESS, ids=named)
def test_the_harness_imports_no_system_and_no_command(file):
    assert not [name for name in imports(file) if "_impl" in name or name.split(".")[0] == "cli"]


@pytest.mark.parametrize("file", [*HARNESS, ROOT / "cli.py"], ids=named)
def test_torch_is_never_imported_at_the_top(file):
    assert not [name for name in imports(file, top_level_only=True) if name.split(".")[0] == "torch"]


@pytest.mark.parametrize("file", [f for f in HARNESS if f.parent.name in TORCH_FREE], ids=named)
def test_what_reads_records_never_touches_torch(file):
    assert not [name for name in imports(file) if name.split(".")[0] == "torch"]


@pytest.mark.parametrize("file", SYSTEMS, ids=named)
def test_a_system_knows_only_the_seam(file):
    allowed = {"harness.system"} if "system" in (file.stem, file.parent.name) else set()
    assert {name for name in imports(file) if name.split(".")[0] in ("harness", "cli")} <= allowed


@pytest.mark.parametrize("file", [f for f in SYSTEMS if f.name != "system.py"], ids=named)
def test_model_code_keeps_no_clock_and_no_log(file):
    assert not imports(file) & {"time", "logging", "datetime"}


@pytest.mark.parametrize("file", TESTS, ids=named)
def test_what_tests_share_lies_in_no_test(file):
    assert not [name for name in imports(file) if name.rsplit(".", 1)[-1].startswith("test_")]


def test_the_guards_above_looked_at_something():
    assert len(HARNESS) > 20
    assert any("system" in (f.stem, f.parent.name) for f in SYSTEMS)
