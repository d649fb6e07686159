"""Runs the other tools, side A then side B, again and again beside one burnt core, and keeps what they called.

    python -m benchmarks.peers --runs 12

pytest-benchmark calls a case slower where its mean (or its minimum) grew by more than 2 %, our margin. pyperf calls
what Student's t test over its values finds significant, and `--min-speed 2` keeps the same margin. One line per case,
tool and run is appended to results/benchmarks/peers.jsonl; `detection.py` makes the table. About a minute a run.
Needs the extra `peers`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.burn import burning
from benchmarks.peers.cases import NAMES, SIDE

HERE = Path(__file__).resolve().parent
CALLS = Path("results/benchmarks/peers.jsonl")
MARGIN = "2"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
REGRESSION = re.compile(r"test_case\[(\w+)\].*Field '(\w+)' has failed")


def pytest_benchmark(folder: Path) -> dict[str, dict[str, str]]:
    """Tool -> case -> word, by the mean and by the minimum."""
    common = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(HERE / "bench_pytest.py")]
    common += [f"--benchmark-storage={folder}"]
    _output([*common, "--benchmark-save=A"], "A")
    fails = ["--benchmark-compare-fail", f"mean:{MARGIN}%", f"min:{MARGIN}%", "--benchmark-compare"]
    said = _output([*common, *fails], "B", may_fail=True)
    found = {(field, name) for name, field in REGRESSION.findall(said)}
    if not found and "passed" not in said:
        raise SystemExit(f"pytest-benchmark compared nothing:\n{said[-2000:]}")
    return {
        f"pytest-benchmark, {field}:{MARGIN}%": {name: "slower" if (field, name) in found else "" for name in NAMES}
        for field in ("mean", "min")
    }


def pyperf(folder: Path) -> dict[str, dict[str, str]]:
    inherited = ",".join([SIDE, "PYTHONPATH", *ONE_THREAD])
    for side in "AB":
        out = ["-o", str(folder / f"{side}.json")]
        _output([sys.executable, str(HERE / "bench_pyperf.py"), "-q", f"--inherit-environ={inherited}", *out], side)
    compare = [sys.executable, "-m", "pyperf", "compare_to", str(folder / "A.json"), str(folder / "B.json")]
    said = _output([*compare, f"--min-speed={MARGIN}"], "B")
    missing = [name for name in NAMES if name not in said]
    if missing:
        raise SystemExit(f"pyperf said nothing about {', '.join(missing)}:\n{said[-2000:]}")
    words = dict(re.findall(r"^(\w+): Mean .* (faster|slower)$", said, flags=re.MULTILINE))
    return {"pyperf": {name: words.get(name, "") for name in NAMES}}


def _output(command: list[str], side: str, *, may_fail: bool = False) -> str:
    path = os.pathsep.join(filter(None, [str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, **ONE_THREAD, SIDE: side, "PYTHONPATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and not may_fail:
        raise SystemExit(f"{' '.join(command[:4])} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout + done.stderr


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--burn", type=int, default=1, help="cores to keep busy beside the runs")
    options = parser.parse_args()
    CALLS.parent.mkdir(parents=True, exist_ok=True)
    done = sum(1 for _ in CALLS.open()) // (3 * len(NAMES)) if CALLS.exists() else 0
    with burning(options.burn), CALLS.open("a") as calls:
        for number in range(done, options.runs):
            with tempfile.TemporaryDirectory() as folder:
                said = pytest_benchmark(Path(folder)) | pyperf(Path(folder))
            for tool, words in said.items():
                for name, word in words.items():
                    calls.write(json.dumps({"run": number, "tool": tool, "case": name, "word": word}) + "\n")
            calls.flush()
            alarms = sum(word == "slower" for words in said.values() for n, word in words.items() if "none" in n)
            print(f"{number + 1}/{options.runs}: {alarms} of {3 * len(said)} null cases called slower", flush=True)


if __name__ == "__main__":
    main()
