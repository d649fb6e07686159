"""Would the tests notice? Breaks the model's mathematics in one place at a time and runs that module's tests.

    python -m benchmarks.mutations [--each 6] [--only scan]

A mutant is one of: plus and minus exchanged, a minus sign dropped, times and divided exchanged, a conjugate dropped,
two levels of a switch exchanged. Drawn by a fixed seed, at most `--each` a module, in a copy of the sources; what
survives is listed with its line, to be judged by hand: a test that is missing, or a change that changes nothing.
Unbroken, all these tests must pass first.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("sem_impl", "harness", "suites", "tests", "benchmarks", "cli.py", "pyproject.toml")
NOT_NUMERICAL = ("__init__", "sizes", "text", "estimate", "costs", "memory")
MARKED = "not browser and not suites and not cuda and not xpu"
TIMEOUT_S = 600
WORDS = {0: "survived", 1: "caught", 2: "caught"}
"""By pytest's exit status; 2: it could not even collect."""
EXCHANGED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


@dataclass(frozen=True)
class Mutant:
    file: Path
    line: int
    change: str
    source: str


def modules() -> list[Path]:
    """Those that hold mathematics: not the seam, not what only counts or reads text."""
    found = sorted((ROOT / "sem_impl").rglob("*.py"))
    return [file for file in found if file.stem not in NOT_NUMERICAL and "system" not in file.parts]


def tests_of(file: Path) -> list[str]:
    """Tests that name the module in an import or are named after it, and those of the whole model."""
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
    parent, _, stem = name.rpartition(".")
    ways = (f"from {name} import", f"import {name}", f"from {parent} import {stem}")
    tests = sorted((ROOT / "tests").glob("test_*.py"))
    direct = [test for test in tests if stem in test.stem or any(way in test.read_text() for way in ways)]
    general = [
        ROOT / "tests" / f"test_{each}.py"
        for each in ("sem_mixer", "sem_model", "sem_modes", "propagator", "propagator_gradients")
    ]
    chosen = dict.fromkeys([*direct, *(test for test in general if test.exists())])
    return [str(test.relative_to(ROOT)) for test in chosen]


def mutants(file: Path) -> Iterator[Mutant]:
    tree = ast.parse(file.read_text())
    for place, node in enumerate(ast.walk(tree)):
        change = _change(node)
        if change is None:
            continue
        broken = copy.deepcopy(tree)
        target = list(ast.walk(broken))[place]
        _Replace(target, change).visit(broken)
        source = ast.unparse(ast.fix_missing_locations(broken))
        if source != ast.unparse(tree):
            yield Mutant(file, getattr(node, "lineno", 0), change, source)


def _change(node: ast.AST) -> str | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        return "sign"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div):
        return "factor"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
        return "minus"
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("conj", "conj_physical")
    ):
        return "conjugate"
    if isinstance(node, ast.Attribute) and node.attr == "mH":
        return "adjoint"
    if isinstance(node, ast.Dict) and len(node.keys) > 1 and all(isinstance(value, ast.Name) for value in node.values):
        return "levels"
    return None


class _Replace(ast.NodeTransformer):
    def __init__(self, target: ast.AST, change: str) -> None:
        self.target, self.change = target, change

    def visit(self, node: ast.AST) -> ast.AST:
        if node is not self.target:
            return self.generic_visit(node)
        if isinstance(node, ast.BinOp):
            node.op = EXCHANGED[type(node.op)]()
        elif isinstance(node, ast.UnaryOp):
            return node.operand
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            return node.func.value
        elif isinstance(node, ast.Attribute):
            node.attr = "mT"
        elif isinstance(node, ast.Dict):
            node.values[:2] = node.values[1::-1]
        return node


def judged(mutant: Mutant, copied: Path) -> str:
    """The copy is whole again afterwards."""
    place = copied / mutant.file.relative_to(ROOT)
    whole = place.read_text()
    place.write_text(mutant.source)
    try:
        return tested(tests_of(mutant.file), copied)
    finally:
        place.write_text(whole)


def tested(tests: Sequence[str], copied: Path) -> str:
    """`caught` or `survived`; a mutant that makes its tests run for ever is caught."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-m", MARKED, *tests]
    environment = os.environ | {"PYTHONPATH": str(copied), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(command, cwd=copied, env=environment, capture_output=True, timeout=TIMEOUT_S, text=True)
    except subprocess.TimeoutExpired:
        return "caught"
    if ended.returncode not in WORDS:
        raise SystemExit(f"pytest ended with {ended.returncode}:\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}")
    return WORDS[ended.returncode]


def chosen(each: int, only: str) -> list[Mutant]:
    drawn = random.Random(0)
    picked: list[Mutant] = []
    for file in modules():
        if only in str(file.relative_to(ROOT)):
            found = list(mutants(file))
            picked += sorted(drawn.sample(found, min(each, len(found))), key=lambda mutant: mutant.line)
    return picked


def run(picked: Sequence[Mutant], workers: int) -> list[tuple[Mutant, str]]:
    copies: SimpleQueue[Path] = SimpleQueue()
    began, done = time.monotonic(), 0

    def one(mutant: Mutant) -> tuple[Mutant, str]:
        nonlocal done
        copied = copies.get()
        try:
            word = judged(mutant, copied)
        finally:
            copies.put(copied)
        done += 1
        left = (time.monotonic() - began) / done * (len(picked) - done) / 60
        print(f"{done}/{len(picked)} {_named(mutant)}: {word}, {left:.0f} min left", flush=True)
        return mutant, word

    with tempfile.TemporaryDirectory() as folder:
        for number in range(workers):
            copies.put(_copy(Path(folder) / str(number)))
        everything = dict.fromkeys(test for mutant in picked for test in tests_of(mutant.file))
        first = copies.get()
        if tested(list(everything), first) == "caught":
            raise SystemExit("the tests fail, or take too long, before anything is broken; mend them first")
        copies.put(first)
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(one, picked))


def _copy(to: Path) -> Path:
    to.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, to / name)
    return to


def _named(mutant: Mutant) -> str:
    return f"{mutant.file.relative_to(ROOT)}:{mutant.line} {mutant.change}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=6, help="mutants a module, at most")
    parser.add_argument("--only", default="", help="modules whose path holds this text")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    results = run(chosen(options.each, options.only), options.workers)
    print()
    for file in dict.fromkeys(mutant.file for mutant, _ in results):
        words = [word for mutant, word in results if mutant.file == file]
        print(f"{file.relative_to(ROOT)!s:45} {words.count('caught')} of {len(words)}")
    caught = sum(word == "caught" for _, word in results)
    print(f"\n{caught} of {len(results)} caught")
    for mutant, word in results:
        if word != "caught":
            print(f"survived: {_named(mutant)}: {mutant.file.read_text().splitlines()[mutant.line - 1].strip()}")


if __name__ == "__main__":
    main()
