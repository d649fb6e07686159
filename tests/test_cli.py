"""The command line: every command, one-line errors with exit code 2, and nothing written when nothing is run."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import cli
import harness
from harness.find import PACKAGED, find_suite, suite_argument, suite_files
from harness.store import RunFolder, find_run, run_folders
from tests.runner_helpers import environment, fake_suite

SEMH = [sys.executable, "-m", "cli"]
COMMANDS = (
    *("run", "plan", "report", "runs", "suites", "systems"),
    *("audit", "claims", "compare", "verdicts"),
    *("doctor", "ceilings", "calibrate", "trace", "train", "generate", "memory"),
)


def semh(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SEMH, *words], cwd=folder, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )


@dataclass
class Said:
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The same without a process of its own, in an empty folder."""

    def call(*words: str) -> Said:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["semh", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Said(int(ended.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory with one finished run."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "suites").mkdir()
    fake_suite(folder / "suites", "PLAIN", "{pace: [usual, slow]}", name="mine")
    done = semh(folder, "run", "mine", "--preset", "smoke", "--set", "dt=0.5")
    assert done.returncode == 0, done.stderr
    (folder / "first-run.txt").write_text(done.stdout + "\n---\n" + done.stderr)
    return folder


def test_help_names_every_command_and_imports_nothing_heavy(tmp_path: Path) -> None:
    shown = semh(tmp_path, "--help")
    assert shown.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", shown.stdout, re.MULTILINE)
    code = "import sys; sys.argv = ['semh', '--help']; import cli, atexit\n"
    code += (
        "atexit.register(lambda: print(sorted({'torch', 'numpy', 'pydantic', 'rich', 'yaml'} & set(sys.modules))))\n"
    )
    code += "cli.main()"
    heavy = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=True)
    assert heavy.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(command, name: str) -> None:
    shown = command(name, "--help")
    assert shown.code == 0 and "Usage:" in shown.stdout


def test_a_run_says_a_line_per_process_then_its_summary(workplace: Path) -> None:
    summary, progress = (workplace / "first-run.txt").read_text().split("\n---\n")
    lines = progress.strip().splitlines()
    assert lines.pop(0).startswith("not calibrated: no calibration of mine on this machine; `semh calibrate ")
    assert len(lines) == 4
    assert lines[0].startswith("1/4 · prepare · mine · ") and lines[-1].startswith("4/4 · trial 2/2 · mine · ")
    [folder] = run_folders(workplace / "results")
    assert f"reports/{folder.name}/report.html" in summary
    assert (workplace / "reports" / folder.name / "report.md").exists()
    assert all(cell.conditions["dt"] == 0.5 for cell in folder.manifest().plan.parts[0].cells)


def test_a_run_records_the_command_that_repeats_it(workplace: Path) -> None:
    assert find_run(workplace / "results", None).manifest().command == (
        "semh run suites/mine.yaml --preset smoke --set dt=0.5"
    )


def test_resume_of_a_finished_run_renders_again(workplace: Path) -> None:
    [folder] = run_folders(workplace / "results")
    report = workplace / "reports" / folder.name / "report.html"
    before = report.read_bytes()
    report.unlink()
    again = semh(workplace, "run", "mine", "--preset", "smoke", "--set", "dt=0.5", "--resume")
    assert again.returncode == 0
    assert again.stderr == f"{folder.name} is finished; rendering its report again\n"
    assert report.read_bytes() == before
    assert run_folders(workplace / "results") == [folder]


def test_report_renders_from_the_run_alone(workplace: Path, tmp_path: Path) -> None:
    """No torch, no suite file, no system: a run that was carried elsewhere is enough."""
    [folder] = run_folders(workplace / "results")
    elsewhere = tmp_path / "results" / folder.name
    subprocess.run(["cp", "-r", "--", str(folder.path), "."], cwd=make(tmp_path / "results"), check=True)
    code = (
        "import sys\nclass NoTorch:\n    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] == 'torch': raise ImportError('no torch here')\n"
        "sys.meta_path.insert(0, NoTorch()); sys.argv = ['semh', 'report']; import cli; cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "reports" / folder.name / "report.html").exists()
    assert RunFolder(elsewhere).analysis().run == folder.name


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_runs_suites_systems_and_doctor_answer(workplace: Path) -> None:
    [folder] = run_folders(workplace / "results")
    runs = semh(workplace, "runs").stdout
    assert folder.name in runs and "finished" in runs and "2/2" in runs
    suites = semh(workplace, "suites").stdout
    assert "mine" in suites and "cayley" in suites
    systems = semh(workplace, "systems").stdout
    assert "sem_propagator" in systems
    one = semh(workplace, "systems", "sem_propagator").stdout
    assert "preconditioner" in one and "block_jacobi" in one and "propagator_width" in one
    doctor = semh(workplace, "doctor", "--quick")
    assert doctor.returncode == 0
    assert {line.split()[0] for line in doctor.stdout.splitlines()} <= {"ok", "noisy", "missing", "note", "untested"}
    assert "xpu" in doctor.stdout


def test_plan_shows_cells_and_cost_and_writes_nothing(tmp_path: Path) -> None:
    shown = semh(tmp_path, "plan", str(fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}")), "--preset", "full")
    assert shown.returncode == 0
    assert "pace=slow" in shown.stdout and "control" in shown.stdout and "12 processes" in shown.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["fake.yaml"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "cayly"], "no suite 'cayly'; "),
        (["run", "fake.yaml", "--preset", "fast"], "no preset 'fast'; semh offers smoke, quick, full, rigorous"),
        (
            ["run", "fake.yaml", "--set", "dt"],
            "--set 'dt': no condition and value; NAME=VALUE would do, such as dt=0.5",
        ),
        (["run", "fake.yaml", "--set", "dt=fast"], "--set dt=fast: found 'fast'; dt takes a number from 0.001 to 10"),
        (["run", "fake.yaml", "--set", "td=1"], "--set td: no condition 'td'; "),
        (["run", "fake.yaml", "--only", "fast"], "--only 'fast': no such cell; "),
        (["run", "fake.yaml", "--max-minutes", "-1"], "max-minutes -1; a positive number would do"),
        (["run", "fake.yaml", "--threads", "100000"], "--set threads=100000: "),
        (["run", "nul\udcff"], "no suite "),
        (["plan", "cayly"], "no suite 'cayly'; "),
        (["report"], "no run in results/ yet; `semh run SUITE` makes one"),
        (["report", "../../etc"], "no run in results/ yet"),
        (["systems", "seme"], "no system 'seme'; "),
        (["systems", "os:system"], "'os:system' is no System; "),
    ],
)
def test_a_request_that_cannot_be_met_is_one_line_and_writes_nothing(
    tmp_path: Path, command, words: list[str], message: str
) -> None:
    fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}")
    done = command(*words)
    assert done.code == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"semh: {message}") and done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["fake.yaml"]


BAD_FILES = {
    "mine.yaml:4: unknown key 'blokcs'; nearest is 'blocks'": b"suite: seop\ntitle: t\nsystem: sem\nblokcs: 4\n",
    "mine.yaml:2: binary (a zero byte); UTF-8 text would do": b"suite: seop\n\0\1",
    "mine.yaml:2: not UTF-8 (byte 0xfc); UTF-8 text would do": b"suite: seop\ntitle: \xfcber\n",
    "mine.yaml:3: a tag, 'tag:yaml.org,2002:python/object:os.system'; plain values would do": (
        b"suite: seop\ntitle: t\nmode: !!python/object:os.system x\n"
    ),
    "mine.yaml:5: baseline.metod: no switch 'metod'; nearest is 'method'": (
        b"suite: seop\ntitle: t\nsystem: sem\ndesign: pair\nbaseline: {metod: cg}\nagainst: all_on\n"
    ),
    "mine.yaml:1: no such file; a path to a YAML file would do": None,
    "mine.yaml:1: a folder; a path to a YAML file would do": "folder",
}


@pytest.mark.parametrize("message", BAD_FILES)
def test_a_bad_suite_is_one_line_with_its_place_before_torch_is_even_imported(tmp_path: Path, message: str) -> None:
    bad = BAD_FILES[message]
    if isinstance(bad, bytes):
        (tmp_path / "mine.yaml").write_bytes(bad)
    elif bad is not None:
        (tmp_path / "mine.yaml").mkdir()
    before = sorted(tmp_path.iterdir())
    code = (
        "import atexit, sys; sys.argv = ['semh', 'run', 'mine.yaml']; import cli\n"
        "atexit.register(lambda: print('torch' in sys.modules)); cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr, done.stdout) == (2, f"{message}\n", "False\n")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("words", [["rum"], ["run"], ["run", "fake.yaml", "--threads", "two"], ["run", "a", "--no"]])
def test_a_misused_command_line_is_exit_code_two(command, words: list[str]) -> None:
    done = command(*words)
    assert done.code == 2 and "Usage:" in done.stderr


def test_interrupting_a_run_says_how_to_go_on(tmp_path: Path) -> None:
    fake_suite(tmp_path, "SLEEPY", "{pace: [usual, slow]}")
    heard = {
        "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    }  # a background shell passes it on ignored
    with subprocess.Popen(
        [*SEMH, "run", "fake.yaml"], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True, **heard
    ) as runner:
        assert runner.stderr is not None
        for _ in ("not calibrated", "1/"):
            runner.stderr.readline()
        runner.send_signal(signal.SIGINT)
        said = runner.stderr.read()
    assert runner.returncode == 130
    assert said.splitlines()[-1] == (
        "semh: interrupted; what was measured is kept, go on with: semh run fake.yaml --resume"
    )
    [folder] = run_folders(tmp_path / "results")
    assert folder.manifest().state == "running"
    assert {process.state for process in folder.manifest().processes} <= {"done", "abandoned"}


def test_a_full_disk_is_one_line_and_the_run_goes_on_later(tmp_path: Path) -> None:
    """A file-size limit stands for the disk: manifests pass it at first, and then no more."""
    fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}")
    words = ["run", "fake.yaml", "--preset", "smoke"]
    undisturbed = semh(tmp_path, *words)
    assert undisturbed.returncode == 0
    size = (find_run(tmp_path / "results", None).path / "manifest.json").stat().st_size
    (tmp_path / "results").rename(tmp_path / "before")
    code = (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, ({size - 200}, -1))\n"
        f"sys.argv = ['semh', *{words!r}]; import cli; cli.main()"
    )
    full = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert full.returncode == 3
    last = full.stderr.splitlines()[-1]
    assert "manifest.json: could not be written: File too large" in last
    assert last.endswith("go on with: semh run fake.yaml --preset smoke --resume") and "Traceback" not in full.stderr
    [broken] = run_folders(tmp_path / "results")
    assert broken.manifest().state == "running"
    again = semh(tmp_path, *words, "--resume")
    assert again.returncode == 0 and again.stderr.startswith(f"resuming {broken.name}")
    assert broken.manifest().state == "finished"


def test_a_terminal_sees_a_bar_with_the_cell_and_the_time_left(tmp_path: Path) -> None:
    fake_suite(tmp_path, "SLEEPY", "{pace: [usual, slow]}", "timeout_s: 30\n")
    suite = tmp_path / "fake.yaml"
    suite.write_text(suite.read_text().replace("blocks: 4", "blocks: 60"))
    ours, theirs = pty.openpty()
    variables = environment() | {"TERM": "xterm", "COLUMNS": "150"}
    with subprocess.Popen(
        [*SEMH, "run", "fake.yaml", "--preset", "smoke"], cwd=tmp_path, env=variables, stdout=theirs, stderr=theirs
    ) as runner:
        os.close(theirs)
        seen = read_all(ours)
    assert runner.returncode == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen)
    assert re.search(r"\d+ %.*left.*trial [12]/2 · fake · (status_quo|pace=slow|control) · block \d+/60", plain)
    assert "Report: " in plain


def read_all(terminal: int) -> str:
    seen, deadline = b"", time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1.0)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break  # how Linux says that the other end of a terminal is closed
            if not piece:
                break
            seen += piece
    os.close(terminal)
    return seen.decode(errors="replace")


def test_the_same_from_python(tmp_path: Path) -> None:
    result = harness.run(
        fake_suite(tmp_path, "PLAIN", "{pace: [usual, slow]}"),
        preset="smoke",
        only=["pace=slow"],
        settings={"dt": 0.5},
        threads=1,
        max_minutes=5,
        results=tmp_path / "results",
        reports=tmp_path / "reports",
    )
    assert result.exit_code == 0 and result.report.exists()
    assert result.analysis == result.folder.analysis()
    assert result.folder.manifest().plan.only == ("pace=slow",)
    assert result.folder.manifest().command == (
        f"semh run {tmp_path}/fake.yaml --preset smoke --only pace=slow --set dt=0.5 --threads 1 --max-minutes 5"
    )


def test_the_plan_says_what_the_command_line_gave_beside_the_size(command) -> None:
    said = " ".join(command("plan", "cayley", "--set", "vocabulary=256").stdout.split())
    assert "sem, size document, forward, batch_size 1, " in said and ", vocabulary 256, " in said
    assert "vocabulary" not in command("plan", "cayley").stdout


def test_a_suite_is_found_by_path_then_here_then_among_the_packaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_suite("cayley") == PACKAGED / "cayley.yaml"
    mine = fake_suite(make(tmp_path / "suites"), "PLAIN", "{pace: [usual, slow]}", name="cayley")
    assert find_suite("cayley").resolve() == mine
    assert find_suite("some/where.yaml") == Path("some/where.yaml")
    assert set(suite_files()) >= {"cayley", "smoke"}


@pytest.mark.parametrize(
    ("asked", "near"),
    [("suites/mein.yaml", "suites/mine.yaml"), ("cayly.yaml", "cayley"), ("elsewhere/smoke", "smoke")],
)
def test_a_missing_file_is_answered_with_the_nearest_suite(tmp_path: Path, command, asked: str, near: str) -> None:
    fake_suite(make(tmp_path / "suites"), "PLAIN", "{pace: [usual, slow]}", name="mine")
    assert command("plan", asked).stderr == f"{asked}:1: no such file; nearest is {near!r}\n"


def test_only_what_comes_with_the_program_is_named_without_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert suite_argument(str(PACKAGED / "cayley.yaml")) == "cayley"
    make(tmp_path / "elsewhere" / "suites")
    fake_suite(tmp_path / "elsewhere" / "suites", "PLAIN", "{pace: [usual, slow]}", name="cayley")
    assert suite_argument("elsewhere/suites/cayley.yaml") == "elsewhere/suites/cayley.yaml"
    (tmp_path / "elsewhere" / "suites").rename(tmp_path / "suites")
    assert suite_argument(str(PACKAGED / "cayley.yaml")) == str(PACKAGED / "cayley.yaml")
