"""A run on disk: `results/<run>/` with manifest.json, trials/NNN.jsonl and analysis.json.

The manifest and the analysis are replaced atomically (temporary file in the same folder, fsync, rename, fsync of the
folder); a trial file is appended and fsynced line by line, by its own worker only. Whatever is killed, and whenever,
a reader finds the manifest before or after a change, and a trial file whose last line may be torn.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import ValidationError

from harness.errors import StoreError, UsageError, shown
from harness.records import LINE, Analysis, Calibrations, Ceilings, Line, Manifest, Plan, Record

REFERENCE = "reference"
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}-(\d{8}-\d{6})-[0-9a-f]{4}")

CEILINGS = "ceilings.json"
CALIBRATIONS = "calibrations"

R = TypeVar("R", bound=Record)


@dataclass(frozen=True)
class RunFolder:
    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    def manifest(self) -> Manifest:
        return _read(self.path / "manifest.json", Manifest)

    def write_manifest(self, manifest: Manifest) -> None:
        _replace(self.path / "manifest.json", manifest)

    def analysis(self) -> Analysis:
        return _read(self.path / "analysis.json", Analysis)

    def write_analysis(self, analysis: Analysis) -> None:
        _replace(self.path / "analysis.json", analysis)

    def trial_file(self, number: int) -> Path:
        return self.path / "trials" / f"{number:03d}.jsonl"

    def breadcrumb_file(self, number: int) -> Path:
        return self.path / "trials" / f"{number:03d}.now"

    def error_file(self, number: int) -> Path:
        return self.path / "trials" / f"{number:03d}.err"

    def lines(self, number: int) -> list[Line]:
        """The records of one process. A last line without its newline was torn by a kill and is dropped."""
        file = self.trial_file(number)
        try:
            text = file.read_bytes()
        except FileNotFoundError:
            return []
        whole, _, _ = text.rpartition(b"\n")
        records: list[Line] = []
        for at, line in enumerate(whole.split(b"\n") if whole else (), start=1):
            try:
                records.append(LINE.validate_json(line))
            except ValidationError as error:
                raise StoreError(f"{file}:{at}: damaged record: {_first(error)}") from None
        return records

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Only one runner works on a run. The kernel lets go of the lock when its holder dies, however it dies."""
        with (self.path / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"{self.name}: another process is measuring this run; wait for it, or end it"
                ) from None
            yield


def run_prefix(plan: Plan) -> str:
    """What the name of a run begins with."""
    return plan.suite if plan.purpose == "measure" else f"{plan.purpose}-{plan.suite}"


def new_run_folder(results: Path, suite: str) -> RunFolder:
    """A folder of its own for a new run. Its name holds the time in UTC, so that names sort by age."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{suite}-{stamp}-{secrets.token_hex(2)}"
    if not RUN_NAME.fullmatch(name):
        raise UsageError(f"suite name {suite!r} cannot name a folder; use letters, digits, - and _ (at most 80)")
    folder = RunFolder(results / name)
    try:
        (folder.path / "trials").mkdir(parents=True)
        (folder.path / "lock").touch()
    except OSError as error:
        raise StoreError(f"{folder.path}: could not be made: {error.strerror}") from None
    return folder


def run_folders(results: Path) -> list[RunFolder]:
    """Every run in `results`, newest first. A folder without a manifest is no run: its runner died at once."""
    if not results.is_dir():
        return []
    folders = [
        RunFolder(p) for p in results.iterdir() if RUN_NAME.fullmatch(p.name) and (p / "manifest.json").is_file()
    ]
    return sorted(folders, key=_age, reverse=True)


def known_runs(results: Path) -> list[RunFolder]:
    """Those in `results`, newest first, then the reference runs that came with the repository: for reading, for plans
    and predictions speak of this machine."""
    return [*run_folders(results), *run_folders(results / REFERENCE)]


def find_run(results: Path, name: str | None) -> RunFolder:
    """The run of that name, or the newest one."""
    folders = known_runs(results)
    if not folders:
        raise UsageError(f"no run in {results}/ yet; `semh run SUITE` makes one")
    if name is None:
        return folders[0]
    for folder in folders:
        if folder.name == name:
            return folder
    raise UsageError(f"no run {shown(name)} in {results}/; the newest is {folders[0].name} (`semh runs` lists them)")


def append_line(file: BinaryIO, record: Line) -> None:
    append_lines(file, [record])


def append_lines(file: BinaryIO, records: Iterable[Line]) -> None:
    """Records, on disk before this returns. A full disk may take a part of them: then nothing may follow."""
    lines = b"".join(_text(record).encode() + b"\n" for record in records)
    try:
        written = file.write(lines)
        file.flush()
        os.fsync(file.fileno())
    except OSError as error:
        raise StoreError(f"{file.name}: could not be written: {error.strerror}") from None
    if written != len(lines):
        raise StoreError(f"{file.name}: could not be written: only a part of a record fitted")


def read_ceilings(results: Path) -> Ceilings:
    """Of every machine that has used this folder; none where there is no such file."""
    file = results / CEILINGS
    return _read(file, Ceilings) if file.exists() else Ceilings()


def read_calibrations(results: Path, suite: str) -> Calibrations:
    """Of one suite, on every machine that has used this folder; none where there is no such file."""
    file = results / CALIBRATIONS / f"{suite}.json"
    return _read(file, Calibrations) if file.exists() else Calibrations()


def calibrated_suites(results: Path) -> list[str]:
    return sorted(file.stem for file in (results / CALIBRATIONS).glob("*.json"))


def write_calibrations(results: Path, suite: str, calibrations: Calibrations) -> Path:
    file = results / CALIBRATIONS / f"{suite}.json"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{file.parent}: could not be made: {error.strerror}") from None
    _replace(file, calibrations)
    return file


def write_ceilings(results: Path, ceilings: Ceilings) -> None:
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{results}: could not be made: {error.strerror}") from None
    _replace(results / CEILINGS, ceilings)


def _age(folder: RunFolder) -> tuple[str, int]:
    """Within one second the lock decides: it is touched when the run is made, and never written."""
    stamp = RUN_NAME.fullmatch(folder.name)
    assert stamp is not None
    lock = folder.path / "lock"
    return stamp.group(1), lock.stat().st_mtime_ns if lock.exists() else 0


def _text(record: Record, indent: int | None = None) -> str:
    return record.model_dump_json(indent=indent)


def _replace(file: Path, record: Record) -> None:
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as out:
            out.write(_text(record, indent=1) + "\n")
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StoreError(f"{file}: could not be written: {error.strerror}") from None


def _read(file: Path, kind: type[R]) -> R:
    try:
        return kind.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise StoreError(f"{file}: not there") from None
    except ValidationError as error:
        raise StoreError(f"{file}: damaged or written by another version: {_first(error)}") from None


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(str(step) for step in found['loc'])}: {found['msg']}".removeprefix(": ")
