"""Real traces of a tiny torch system: the stages' ranges hold its operators, the counts are those made by hand."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

import cli
from harness.measure.profile import BACKWARD, CALL, PREFIX
from harness.plan import make_plan
from harness.records import Cell, Plan
from harness.suite import read_suite
from harness.trace import take
from harness.trace.events import nested
from harness.trace.one import TraceError
from harness.trace.take import Traced, file_names, trace
from tests.runner_helpers import environment, fake_suite, stand_in
from tests.tiny_torch import HOSTILE, ROWS

STAGES = ("first", "middle", "last")
RANGES = {CALL, BACKWARD, *(PREFIX + name + direction for name in STAGES for direction in ("", ".backward"))}


def suite(folder: Path) -> Path:
    file = fake_suite(folder, "x", f"{{product: [once, {json.dumps(HOSTILE)}]}}", "mode: train_step\n")
    file.write_text(file.read_text().replace("tests.fakes:x", "tests.tiny_torch:TINY"))
    return file


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return make_plan(read_suite(suite(tmp_path_factory.mktemp("plan"))))


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> Traced:
    """The cell with one product per row, one traced call."""
    said: list[str] = []
    before = "torch" in sys.modules
    out = tmp_path_factory.mktemp("trace") / "traces"
    [found] = trace(plan, [("--cell", "product=*")], calls=1, out=out, note=said.append)
    assert ("torch" in sys.modules) == before, "only a worker imports torch"
    assert said == [f"tracing fake/product={HOSTILE}, 1 call"]
    return found


def events(traced: Traced) -> list[dict]:
    return json.loads(gzip.decompress(traced.trace.read_bytes()))["traceEvents"]


def calls(traced: Traced, name: str, *stages: str) -> int:
    rows = traced.operators.operators
    return sum(row.calls for row in rows if row.name == name and (row.stage in stages or not stages))


def test_files_have_plain_names_even_where_cells_do_not(traced: Traced) -> None:
    names = [path.name for path in traced.trace.parent.iterdir()]
    assert sorted(names) == sorted((traced.trace.name, traced.record.name))
    assert all(name.replace("-", "").replace(".", "").isalnum() for name in names)


def test_every_stage_is_a_range_in_both_directions_and_together_they_hold_every_operator(traced: Traced) -> None:
    spans = nested(events(traced))
    ours = [span for span in spans if span.name.startswith(PREFIX)]
    assert sorted(span.name for span in ours) == sorted(RANGES)
    [call] = [span for span in ours if span.name == CALL]
    for span in spans:
        if call.start <= span.start < call.end and span is not call:
            above = []
            parent = span.parent
            while parent is not None:
                assert parent.start <= span.start and span.end <= parent.end
                above.append(parent.name)
                parent = parent.parent
            assert CALL in above
            if span.name in ("aten::mm", "aten::tanh", "aten::softplus"):
                assert len([name for name in above if name in RANGES - {CALL, BACKWARD}]) == 1


def test_no_two_slices_of_a_thread_overlap_as_a_viewer_reads_them(traced: Traced) -> None:
    """Perfetto cuts µs to whole ns and drops what crosses another slice."""
    by_thread: dict[tuple, list[tuple[int, int, str]]] = {}
    for one in events(traced):
        if one["ph"] == "X" and one["name"].startswith(PREFIX):
            start = int(one["ts"] * 1000)
            by_thread.setdefault((one["pid"], one["tid"]), []).append(
                (start, start + int(one["dur"] * 1000), one["name"])
            )
    assert by_thread
    for slices in by_thread.values():
        open_: list[tuple[int, int, str]] = []
        for one in slices:  # in the order of the file, which is what a viewer keeps where two begin together
            while open_ and open_[-1][1] <= one[0]:
                open_.pop()
            assert not open_ or one[1] <= open_[-1][1], (one, open_)
            open_.append(one)


def test_operators_are_counted_by_stage_as_by_hand(traced: Traced) -> None:
    assert calls(traced, "aten::mm", "middle") == ROWS
    assert calls(traced, "aten::mm", "middle.backward") == 2 * ROWS
    assert calls(traced, "aten::mm") == 3 * ROWS
    assert calls(traced, "aten::softplus") == calls(traced, "aten::softplus", "first") == 1
    assert calls(traced, "aten::tanh_backward") == calls(traced, "aten::tanh_backward", "last.backward") == 1
    assert calls(traced, "aten::softplus_backward") == calls(traced, "aten::softplus_backward", "first.backward") == 1


def test_self_times_add_up_to_the_call(traced: Traced) -> None:
    one = traced.operators
    assert one.calls == 1
    assert sum(row.self_cpu_s for row in one.operators) == pytest.approx(one.call_s, rel=1e-6)
    assert 0 < sum(span.cpu_s for span in one.stages) < one.call_s


def test_shapes_and_memory_are_recorded(traced: Traced) -> None:
    found = events(traced)
    assert [[1, 8], [8, 8]] in [one["args"]["Input Dims"] for one in found if one["name"] == "aten::mm"]
    assert any(one["name"] == "[memory]" and one["args"]["Bytes"] > 0 for one in found)


def with_another(traced: Traced, plan: Plan, folder: Path) -> None:
    """The record, and beside it one of the other cell, which has a third of the products."""
    other = next(cell for cell in plan.parts[0].cells if cell.name == "status_quo")
    fewer = tuple(
        row.model_copy(update={"calls": 1}) if row.name == "aten::mm" else row for row in traced.operators.operators
    )
    name, record = file_names(plan.suite, other)
    changed = traced.operators.model_copy(update={"cell": other, "operators": fewer, "trace": name})
    folder.mkdir()
    (folder / record).write_text(changed.model_dump_json())
    (folder / traced.record.name).write_bytes(traced.record.read_bytes())


def test_two_cells_are_shown_side_by_side_from_their_records_alone(traced: Traced, plan: Plan, tmp_path: Path) -> None:
    """No torch, no trace: the suite and the records are enough."""
    with_another(traced, plan, tmp_path / "traces")
    words = ["trace", str(suite(tmp_path)), "--cell", "product=*", "--against", "status_quo", "--again"]
    code = "import sys\nclass NoTorch:\n    def find_spec(self, name, *_):\n"
    code += "        if name.split('.')[0] == 'torch': raise ImportError('no torch here')\n"
    code += f"sys.meta_path.insert(0, NoTorch()); sys.argv = ['semh', *{words!r}]; import cli; cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    [page] = (tmp_path / "traces").glob("*-against-status-quo-*.md")
    [line] = [line for line in page.read_text().splitlines() if line.startswith("| aten::mm |")]
    assert line.split("|")[2:4] == [f" {3 * ROWS} ", " 2 "]
    said = " ".join(done.stdout.split())
    assert "aten::mm" in said and "only `semh run` measures" in said
    assert "charting script from www.gstatic.com" in said and "Trace: " not in said


def test_no_two_cells_share_a_file() -> None:
    def names(name: str, id_: str) -> tuple[str, str]:
        cell = Cell(id=id_, part="p" * 90, name=name, variant={}, conditions={}, baseline=id_)
        return file_names("s" * 80, cell)

    alike = [names("x" * 200, "1" * 12), names("x" * 200, "2" * 12), names("../..", "3" * 12), names("", "4" * 12)]
    assert len({name for pair in alike for name in pair}) == 8
    assert all(len(name) <= 255 and "/" not in name and not name.startswith(".") for pair in alike for name in pair)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cell", "statusquo"], "--cell 'statusquo': no such cell; "),
        (
            ["--cell", "*"],
            f"--cell '*': 2 cells match (fake/status_quo, fake/product={HOSTILE}); one of these would do",
        ),
        (["--cell", "status_quo", "--against", "prod"], "--against 'prod': no such cell; "),
        (["--cell", "status_quo", "--against", "status*"], "--against 'status*': the same cell twice; "),
        (["--cell", "status_quo", "--part", "total"], "--part 'total': no such part; the suite offers fake"),
        (["--cell", "status_quo", "--calls", "0"], "--calls 0; 1 to 100 would do"),
        (["--cell", "status_quo", "--set", "dt=1"], "--set dt: no condition 'dt'; "),
        (["--cell", "status_quo", "--again"], "traces/fake-fake-status-quo-"),
    ],
)
def test_a_trace_that_cannot_be_made_is_one_line_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    said = refused(tmp_path, monkeypatch, capsys, ["trace", str(suite(tmp_path)), *words])
    assert said.startswith(f"semh: {message}") and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["fake.yaml"]


def test_a_virtual_device_has_nothing_to_trace(tmp_path: Path, monkeypatch, capsys) -> None:
    file = fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}")
    said = refused(tmp_path, monkeypatch, capsys, ["trace", str(file), "--cell", "status_quo"])
    assert said == "semh: fake/status_quo: device virtual runs no operators; cpu, cuda or xpu would do\n"


def refused(folder: Path, monkeypatch, capsys, words: list[str], code: int = 2) -> str:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["semh", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    return capsys.readouterr().err


DEATHS = {
    'line(kind="outcome", cell=cells[0], outcome="failed", detail="ValueError: planted", during="build"); end()': (
        "failed during build: ValueError: planted"
    ),
    'crumb(cells[0], "traced call 1/2"); sys.exit("no more")': (
        "crashed during traced call 1/2: ended with exit status 1: no more"
    ),
    'crumb(cells[0], "export"); os.kill(os.getpid(), 6)': "crashed during export: killed by signal 6 (Aborted)",
    'crumb(cells[0], "first call"); time.sleep(60)': (
        "timed out after 0.5 s during first call; a longer timeout_s would do"
    ),
}


@pytest.mark.parametrize("body", DEATHS)
def test_a_cell_that_gives_no_trace_says_why_and_leaves_nothing(tmp_path: Path, body: str) -> None:
    file = suite(tmp_path)
    file.write_text(file.read_text() + "timeout_s: 0.5\n")
    impatient = make_plan(read_suite(file))
    out = tmp_path / "traces"
    with pytest.raises(TraceError) as failed:
        trace(impatient, [("--cell", "product=*")], calls=2, out=out, worker=stand_in(tmp_path, body))
    assert str(failed.value) == f"fake/product={HOSTILE}: {DEATHS[body]}"
    assert not out.exists()


def test_the_command_ends_with_three_where_a_cell_fails(tmp_path: Path, monkeypatch, capsys) -> None:
    def fails(*_: object, **__: object) -> None:
        raise TraceError("a/b: failed during build: planted")

    monkeypatch.setattr(take, "trace", fails)
    assert refused(tmp_path, monkeypatch, capsys, ["trace", str(suite(tmp_path)), "--cell", "status_quo"], 3) == (
        "semh: a/b: failed during build: planted\n"
    )


@pytest.mark.skipif(not find_spec("torch_tb_profiler"), reason="needs torch-tb-profiler: pip install 'semh[trace]'")
def test_tensorboard_lists_the_run_and_its_views(traced: Traced) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", "--logdir", "traces", "--host", "127.0.0.1", "--port", str(port)],
        cwd=traced.trace.parent.parent,
        env=environment() | {"TORCH_PROFILER_START_METHOD": "fork"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # it starts a data server and forks a loader, which outlive it
    )
    try:
        assert listed(port) == {"runs": ["traces"], "loading": False}
        assert endpoint(port, "views?run=traces") == ["Overview", "Operator", "Trace", "Memory"]
        name = traced.trace.name.removesuffix(".pt.trace.json.gz")
        assert endpoint(port, "workers?run=traces&view=Overview") == [name]
        ours = f"run=traces&worker={name}&span=default"
        assert len(endpoint(port, f"overview?{ours}&view=Overview")["steps"]["rows"]) == 1
        table = endpoint(port, f"operation/table?{ours}&view=Operator&group_by=Operation")["data"]
        assert {row["name"]: row["calls"] for row in table}["aten::mm"] == 3 * ROWS
        shown = endpoint(port, f"trace?{ours}&view=Trace")["traceEvents"]
        assert {one["name"] for one in shown if str(one["name"]).startswith(PREFIX)} == RANGES
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def listed(port: int) -> object:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            found = endpoint(port, "runs")
            if found["runs"] and not found["loading"]:
                return found
        except OSError:
            pass  # not listening yet
        time.sleep(0.1)
    return None


def endpoint(port: int, path: str) -> dict:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/data/plugin/pytorch_profiler/{path}", timeout=20) as answer:
        body = answer.read()
        return json.loads(gzip.decompress(body) if answer.headers["Content-Encoding"] == "gzip" else body)
