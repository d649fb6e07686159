"""Native libraries are built once, kept, shared by processes, and never missed: what cannot be had is said."""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from sem_impl.kernels.native import build

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")

TINY = """#include "parallel.h"
EXPORT int twice_f64(const double* from, double* to, int64_t count, int64_t threads) {
  divided(count, threads, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = begin; i < end; ++i) to[i] = 2 * from[i];
  });
  return 0;
}
"""
NO_OPENMP = 'case "$*" in *-fopenmp*) echo "error: no OpenMP" >&2; exit 1;; esac; exec g++ "$@"'
LOADING = """
import ctypes, importlib.util, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("build", sys.argv[1])
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)
build.SOURCES = Path(sys.argv[2])
path = build.built("tiny")
three = (ctypes.c_double * 3)(1, 2, 3)
assert ctypes.CDLL(str(path)).twice_f64(three, three, ctypes.c_int64(3), ctypes.c_int64(2)) == 0
print(path, *three)
"""


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A folder of one small kernel, with a space in its path, and a cache beside it."""
    folder = tmp_path / "the sources"
    folder.mkdir()
    shutil.copy(build.SOURCES / "parallel.h", folder)
    (folder / "tiny.cpp").write_text(TINY)
    monkeypatch.setattr(build, "SOURCES", folder)
    monkeypatch.setenv("SEMH_CACHE", str(tmp_path / "the cache"))
    monkeypatch.delenv("CXX", raising=False)
    return folder


@pytest.fixture
def compiler(tmp_path, monkeypatch):
    """A shell script in the place of g++; every compilation leaves a line in `calls`."""

    def make(script: str = 'exec g++ "$@"') -> Path:
        file = tmp_path / "my compiler"
        count = f'case "$*" in *" -c "*) echo compiled >> "{tmp_path}/calls";; esac'
        file.write_text(f"#!/bin/sh\n{count}\n{script}\n")
        file.chmod(0o755)
        monkeypatch.setenv("CXX", f"'{file}'")
        build._version.cache_clear()
        return tmp_path / "calls"

    yield make
    build._version.cache_clear()


def libraries() -> list[Path]:
    return sorted(Path(os.environ["SEMH_CACHE"]).glob("*.so"))


def started(sources: Path) -> subprocess.Popen:
    command = (sys.executable, "-c", LOADING, build.__file__, sources)
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def loaded(process: subprocess.Popen) -> str:
    out, told = process.communicate(timeout=120)
    assert process.returncode == 0, told
    return out


def test_a_library_is_built_once_and_found_afterwards(sources, compiler):
    calls = compiler()
    assert build.built("tiny") == build.built("tiny") == libraries()[0]
    assert calls.read_text().count("compiled") == 1


def test_many_processes_at_once_build_it_once_and_each_has_it_whole(sources, compiler):
    calls = compiler('sleep 0.3; exec g++ "$@"')
    told = {loaded(process) for process in [started(sources) for _ in range(6)]}
    assert told == {f"{libraries()[0]} 2.0 4.0 6.0\n"}
    assert calls.read_text().count("compiled") == 1


def test_a_builder_that_is_killed_holds_nobody_up(sources, compiler, tmp_path):
    compiler(f'touch "{tmp_path}/begun"; sleep 60')
    first = started(sources)
    while not (tmp_path / "begun").exists():
        assert first.poll() is None, first.stderr.read()
    first.kill()
    first.communicate()
    compiler()
    assert build.built("tiny").exists()


CHANGES = {
    "source": lambda sources, _: (sources / "tiny.cpp").write_text(TINY.replace("2 *", "3 *")),
    "header": lambda sources, _: (sources / "parallel.h").open("a").write("// another\n"),
    "flags": lambda _, patch: patch.setenv("SEMH_CXXFLAGS", "-DX='1 2' -g"),
    "processor": lambda _, patch: patch.setattr(build, "_processor", lambda: "another"),
    "compiler": lambda _, patch: patch.setattr(build, "_version", lambda _: "another"),
    "runtime": lambda _, patch: patch.setattr(build, "_runtime", lambda: "another"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_decides_the_machine_code_makes_another_library(sources, monkeypatch, change):
    def key() -> str:
        return build._key(sources / "tiny.cpp", build._compiler(), build._runtime())

    before = key()
    assert key() == before
    change(sources, monkeypatch)
    assert key() != before


@pytest.mark.parametrize("harm", [lambda b: b[: len(b) // 2], lambda _: b"", lambda b: b[:99] + b"\0" + b[100:]])
def test_a_damaged_library_is_built_anew(sources, harm):
    path = build.built("tiny")
    whole = path.read_bytes()
    path.write_bytes(harm(whole))
    assert build.built("tiny").read_bytes() == whole


def test_what_nobody_has_loaded_for_long_is_removed(sources, monkeypatch):
    old = build.built("tiny")
    left, recent = old.parent / ".building-x", old.parent / "other-0.0.so"
    left.mkdir()
    recent.touch()
    for path in (old, left):
        os.utime(path, (0, 0))
    monkeypatch.setenv("SEMH_CXXFLAGS", "-g")
    new = build.built("tiny")
    assert not left.exists()
    assert libraries() == sorted((recent, new))


@pytest.mark.parametrize("asked", ["nonsense", "/nowhere/g++", "/tmp"])
def test_a_compiler_that_is_not_there_is_named(sources, monkeypatch, asked):
    monkeypatch.setenv("CXX", asked)
    with pytest.raises(build.LibraryError, match=asked):
        build.built("tiny")


def test_without_any_compiler_the_error_says_what_was_looked_for(sources, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(build.LibraryError, match=r"g\+\+, c\+\+ or clang\+\+"):
        build.built("tiny")


def test_a_compiler_that_fails_is_quoted(sources):
    (sources / "tiny.cpp").write_text(TINY + "\nthis is no C++\n")
    with pytest.raises(build.LibraryError, match=r"tiny.cpp:9:1: error: "):
        build.built("tiny")
    assert [path.name for path in Path(os.environ["SEMH_CACHE"]).iterdir()] == ["tiny.lock"]


@pytest.mark.parametrize("hangs", ["sleep 60", 'case "$*" in *--version*) exec g++ "$@";; *) sleep 60;; esac'])
def test_a_compiler_that_hangs_is_ended(sources, compiler, monkeypatch, hangs, tmp_path):
    compiler(f'echo $$ > "{tmp_path}/pid"\n{hangs}\nexit 1')
    monkeypatch.setattr(build, "TIMEOUT_S", 0.5)
    with pytest.raises(build.LibraryError, match="timed out"):
        build.built("tiny")
    group = int((tmp_path / "pid").read_text())
    ended = time.monotonic() + 10  # a process that was killed is there until the system has come round to it
    while living := [p for p in psutil.process_iter() if p.status() != "zombie" and os.getpgid(p.pid) == group]:
        assert time.monotonic() < ended, living


def test_whoever_waits_too_long_for_another_builder_builds_alone(sources, monkeypatch):
    import fcntl

    monkeypatch.setattr(build, "TIMEOUT_S", 20.0)
    monkeypatch.setattr(build, "POLL_S", 5.0)
    monkeypatch.setattr(build.Event, "wait", lambda *_: None)
    folder = build._folder()
    with (folder / "tiny.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert build.built("tiny").exists()


def test_a_compiler_without_openmp_makes_a_library_for_one_thread(sources, compiler):
    compiler(NO_OPENMP)
    assert loaded(started(sources)).endswith(".so 2.0 4.0 6.0\n")


def test_a_library_without_openmp_says_so_when_it_is_found_again_too(sources, compiler):
    calls = compiler(NO_OPENMP)
    said = {build.one_thread(build.built("tiny")) for _ in range(2)}
    assert said == {"built without OpenMP: my compiler has none here; $CXX may name a compiler that has"}
    tried = calls.read_text()
    assert build.one_thread(build.built("tiny")) and calls.read_text() == tried
    compiler()
    assert build.one_thread(build.built("tiny")) in said  # the same compiler by name and version: what it built is kept


def test_a_library_with_openmp_has_nothing_to_say(sources):
    assert build.one_thread(build.built("tiny")) == ""


def test_a_damaged_library_without_openmp_is_built_anew(sources, compiler):
    compiler(NO_OPENMP)
    path = build.built("tiny")
    whole = path.read_bytes()
    path.write_bytes(whole[:99])
    assert build.built("tiny") == path and path.read_bytes() == whole


def test_torchs_openmp_runtime_that_does_not_link_is_left_for_the_compilers_own(sources, monkeypatch, tmp_path):
    (tmp_path / "libgomp.so.1").write_text("not a library")
    monkeypatch.setattr(build, "_runtime", lambda: str(tmp_path / "libgomp.so.1"))
    assert build.built("tiny").exists()


def test_torchs_own_openmp_runtime_is_the_one_that_is_linked():
    """Two runtimes would keep two pools of threads, each spinning while the other works."""
    import torch

    script = "import sem_impl.kernels.native.build as b, torch; torch.ones(9).sum(); print(b._runtime())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    runtime = Path(done.stdout.strip())
    assert Path(torch.__file__).parent in runtime.parents or runtime.parent.name == "torch.libs"


def test_where_the_cache_cannot_be_written_a_temporary_folder_serves(sources, monkeypatch, tmp_path):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("SEMH_CACHE", str(tmp_path / "a file/cache"))
    monkeypatch.setattr(build.tempfile, "gettempdir", lambda: str(tmp_path))
    assert build.built("tiny").parent == tmp_path / f"semh-{os.getuid()}"
    assert build.built("tiny").parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_others_can_write_to_is_not_trusted(sources, monkeypatch, tmp_path, mode):
    shared = tmp_path / f"semh-{os.getuid()}"
    shared.mkdir()
    shared.chmod(mode)
    monkeypatch.setenv("SEMH_CACHE", str(shared))
    monkeypatch.setattr(build.tempfile, "gettempdir", lambda: str(tmp_path))
    with pytest.raises(build.LibraryError, match="SEMH_CACHE"):
        build.built("tiny")


def test_a_folder_of_somebody_elses_is_not_trusted(sources, monkeypatch):
    monkeypatch.setattr(build, "_temporary", build._cache)
    other = build._cache().parent.stat().st_uid + 1
    monkeypatch.setattr(build.os, "getuid", lambda: other)
    with pytest.raises(build.LibraryError, match="user's own"):
        build.built("tiny")


def test_without_a_home_the_temporary_folder_serves(sources, monkeypatch, tmp_path):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("SEMH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(build.Path, "home", homeless)
    monkeypatch.setattr(build.tempfile, "gettempdir", lambda: str(tmp_path))
    assert build._folder() == tmp_path / f"semh-{os.getuid()}"


def test_on_windows_there_are_none_and_no_crash(sources, monkeypatch):
    spec = importlib.util.spec_from_file_location("elsewhere", build.__file__)
    elsewhere = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.delattr(os, "getuid")
    spec.loader.exec_module(elsewhere)
    monkeypatch.setattr(elsewhere.os, "name", "nt")
    with pytest.raises(elsewhere.LibraryError, match="POSIX"):
        elsewhere.built("tiny")


def test_without_proc_the_compilers_own_runtime_serves(sources, monkeypatch):
    real = Path.read_text

    def read_text(self, *arguments, **named):
        if str(self).startswith("/proc"):
            raise FileNotFoundError(self)
        return real(self, *arguments, **named)

    monkeypatch.setattr(Path, "read_text", read_text)
    build._processor.cache_clear()
    assert build._runtime() == ""
    assert build.built("tiny").exists()
    build._processor.cache_clear()
