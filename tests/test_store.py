"""A run on disk: atomic manifests, torn lines, names that stay inside, one runner at a time."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import StoreError, UsageError
from harness.records import End, Manifest, Outcome
from harness.store import RunFolder, append_line, find_run, known_runs, new_run_folder, run_folders
from tests.runner_helpers import fake_suite, measured

END = End(wall_s=1.0, import_s=0.25, sampled_s=0.5)
OUTCOME = Outcome(cell="c", outcome="failed", detail="ümlaut, \n newline and \u2028 separator")


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("made")
    return measured(fake_suite(folder, "PLAIN", "{pace: [usual, slow]}"), folder / "results").manifest()


def written(folder: RunFolder, *tail: bytes) -> RunFolder:
    with folder.trial_file(1).open("ab", buffering=0) as file:
        append_line(file, OUTCOME)
        append_line(file, END)
        for text in tail:
            file.write(text)
    return folder


@pytest.mark.parametrize("tail", [b"", b"{", b'{"kind":"end"', b'{"kind":"end","wall_s":1.0}', b"\xc3"])
def test_a_torn_last_line_is_dropped(tmp_path: Path, tail: bytes) -> None:
    folder = written(new_run_folder(tmp_path, "torn"), tail)
    assert folder.lines(1) == [OUTCOME, END]


def test_every_cut_of_a_file_reads_as_a_prefix_of_its_records(tmp_path: Path) -> None:
    folder = written(new_run_folder(tmp_path, "cut"))
    whole = folder.trial_file(1).read_bytes()
    for length in range(len(whole) + 1):
        folder.trial_file(1).write_bytes(whole[:length])
        assert folder.lines(1) == [OUTCOME, END][: whole[:length].count(b"\n")]


def test_damage_in_the_middle_is_named_with_file_and_line(tmp_path: Path) -> None:
    folder = written(new_run_folder(tmp_path, "damage"), b'{"kind":"end"\n', b'{"kind":"end"}\n')
    with pytest.raises(StoreError, match=r"001\.jsonl:3: damaged record"):
        folder.lines(1)


def test_a_file_that_is_not_there_has_no_lines(tmp_path: Path) -> None:
    assert new_run_folder(tmp_path, "none").lines(7) == []


def test_a_manifest_survives_the_round_trip(tmp_path: Path, manifest: Manifest) -> None:
    folder = new_run_folder(tmp_path, "round")
    folder.write_manifest(manifest)
    assert folder.manifest() == manifest
    assert [p.name for p in folder.path.iterdir() if p.name.startswith(".")] == []


def test_a_write_that_fails_leaves_the_old_manifest(tmp_path: Path, manifest: Manifest) -> None:
    """A file-size limit stands for a full disk: the kernel takes a part of the write, then refuses."""
    folder = new_run_folder(tmp_path, "full")
    folder.write_manifest(manifest)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))
    try:
        with pytest.raises(StoreError, match=r"manifest\.json: could not be written: File too large"):
            folder.write_manifest(manifest.model_copy(update={"command": "another"}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert folder.manifest() == manifest


def test_a_record_of_which_only_a_part_fits_is_an_error_and_reads_as_torn(tmp_path: Path) -> None:
    folder = new_run_folder(tmp_path, "part")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with folder.trial_file(1).open("ab", buffering=0) as file:
        append_line(file, END)
        resource.setrlimit(resource.RLIMIT_FSIZE, (folder.trial_file(1).stat().st_size + 10, hard))
        try:
            with pytest.raises(StoreError, match="could not be written"):
                append_line(file, OUTCOME)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert folder.lines(1) == [END]


def test_a_manifest_is_whole_whenever_its_writer_is_killed(tmp_path: Path, manifest: Manifest) -> None:
    """A child replaces the manifest without pause and is killed at twelve different moments."""
    folder = new_run_folder(tmp_path, "killed")
    folder.write_manifest(manifest)
    code = (
        "import sys, itertools; from pathlib import Path; from harness.store import RunFolder\n"
        "folder = RunFolder(Path(sys.argv[1])); manifest = folder.manifest(); print('ready', flush=True)\n"
        "for n in itertools.count():\n"
        "    folder.write_manifest(manifest.model_copy(update={'command': str(n) * 2000}))\n"
    )
    for attempt in range(12):
        with subprocess.Popen([sys.executable, "-c", code, str(folder.path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            time.sleep(0.003 * attempt)
            child.send_signal(signal.SIGKILL)
        assert folder.manifest().plan == manifest.plan


@pytest.mark.parametrize("name", ["..", "../up", "a/b", "", ".hidden", "a b", "x" * 81, "nul\0", "new\nline"])
def test_a_suite_name_that_could_leave_the_results_folder_is_refused(tmp_path: Path, name: str) -> None:
    results = tmp_path / "results"
    with pytest.raises(UsageError, match="cannot name a folder"):
        new_run_folder(results, name)
    assert not results.exists()


@pytest.mark.parametrize("name", ["..", "../../etc", "/etc", "fake-20260101-000000-0000\n"])
def test_a_run_is_found_by_name_only(tmp_path: Path, manifest: Manifest, name: str) -> None:
    new_run_folder(tmp_path, "a").write_manifest(manifest)
    with pytest.raises(UsageError, match="no run"):
        find_run(tmp_path, name)


def test_runs_are_listed_newest_first_even_within_a_second(tmp_path: Path, manifest: Manifest) -> None:
    made = []
    for _ in range(5):
        folder = new_run_folder(tmp_path, "many")
        folder.write_manifest(manifest)
        made.append(folder)
        time.sleep(0.02)
    made[0].write_manifest(manifest)
    (tmp_path / "stray").mkdir()
    new_run_folder(tmp_path, "without-manifest")
    assert run_folders(tmp_path) == made[::-1]
    assert find_run(tmp_path, None) == made[-1]


def test_no_results_folder_means_no_runs(tmp_path: Path) -> None:
    assert run_folders(tmp_path / "results") == []
    with pytest.raises(UsageError, match="no run in"):
        find_run(tmp_path / "results", None)


def test_reference_runs_are_known_after_all_others(tmp_path):
    reference = new_run_folder(tmp_path / "reference", "cayley")
    own = new_run_folder(tmp_path, "cayley")
    for folder in (own, reference):
        (folder.path / "manifest.json").write_text("{}")
    assert run_folders(tmp_path) == [own]
    assert known_runs(tmp_path) == [own, reference]
    assert find_run(tmp_path, None) == own
    assert find_run(tmp_path, reference.name) == reference


def test_one_run_has_one_runner(tmp_path: Path) -> None:
    folder = new_run_folder(tmp_path, "locked")
    with folder.lock(), pytest.raises(UsageError, match="another process is measuring this run"), folder.lock():
        pass
    with folder.lock():
        pass


def test_a_results_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(StoreError, match="could not be made"):
        new_run_folder(tmp_path / "results", "fake")


def test_records_are_on_disk_before_the_writer_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = new_run_folder(tmp_path, "synced")
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.fstat(fd).st_size))
    with folder.trial_file(1).open("ab") as file:
        append_line(file, END)
    assert synced == [folder.trial_file(1).stat().st_size]
