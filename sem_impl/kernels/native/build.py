"""From a C++ source of this folder to a shared library on disk: built once, kept, and safe to share.

A library is named by two hashes. One is of everything that decides its machine code: the sources, the compiler and its
version, the flags, torch's OpenMP runtime, and the processor's features, since `-march=native` means another thing on
another node that mounts the same home. The other is of the library itself, so that a damaged one is found out before it
is loaded: mapping half a file kills the process. One built without OpenMP has `serial` in its name, for who finds it
later. A builder writes beside the final name and renames, so that nobody ever sees half a file; a lock keeps a second
builder waiting instead of working.

Where libraries lie: $SEMH_CACHE, else $XDG_CACHE_HOME/semh, else ~/.cache/semh; where that cannot be written, a folder
of this user's own under the system's temporary one. The compiler: $CXX, else g++, c++, clang++; more flags:
$SEMH_CXXFLAGS. Imports no torch.
"""

import hashlib
import os
import platform
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path
from threading import Event
from typing import IO

SOURCES = Path(__file__).parent
TIMEOUT_S = 300.0
POLL_S = 0.05
KEEP_S = 90 * 86400.0
"""A library that nobody has loaded for so long is removed, when another one is built."""
# Contraction to fused multiply-adds, but nothing that changes what NaN, infinities or signed zeros do.
FLOATS = ("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math")
FLAGS = ("-std=c++17", "-O3", "-march=native", *FLOATS, "-fPIC", "-fvisibility=hidden")
WIDE = ("-mprefer-vector-width=512",)  # x86 compilers else halve their vectors; elsewhere they do not know the flag
OPENMP = "-fopenmp"
SERIAL = "serial"
# what is missing is to be found by the linker, which can be asked again, not by the loader
SHARED = ("-shared", "-Wl,--no-undefined") if sys.platform == "linux" else ("-shared",)

Command = tuple[str, ...]


class LibraryError(RuntimeError):
    """Why there is no native library."""


class RefusedError(LibraryError):
    """The compiler ran, and said no."""


def built(name: str) -> Path:
    """The shared library of `name`.cpp, from the cache or compiled now."""
    if os.name != "posix":
        raise LibraryError(f"native kernels need a POSIX system, this is {platform.system()}")
    source, compiler, runtime = SOURCES / f"{name}.cpp", _compiler(), _runtime()
    folder = _folder()
    stem = f"{name}-{_key(source, compiler, runtime)}"
    if found := _whole(folder, stem):
        return found
    with _alone(folder / f"{name}.lock"):
        return _whole(folder, stem) or _compile(source, folder, stem, compiler, runtime)


def one_thread(library: Path) -> str:
    """Why it runs on one thread however many are asked for; empty where it does not."""
    if f".{SERIAL}." not in library.name:
        return ""
    return f"built without OpenMP: {Path(_compiler()[0]).name} has none here; $CXX may name a compiler that has"


def flags() -> Command:
    wide = WIDE if platform.machine().lower() in ("x86_64", "amd64") else ()
    return *FLAGS, *wide, *shlex.split(os.environ.get("SEMH_CXXFLAGS", ""))


def _compiler() -> Command:
    """$CXX may be several words, as in `ccache g++`."""
    asked = os.environ.get("CXX", "").strip()
    for command in (asked,) if asked else ("g++", "c++", "clang++"):
        first, *rest = shlex.split(command)
        if path := shutil.which(first):
            return path, *rest
    raise LibraryError(f"no C++ compiler found ({asked or 'g++, c++ or clang++'}); $CXX may name one")


def _runtime() -> str:
    """The OpenMP runtime that torch has loaded, so that both share one pool of threads; empty where none is found.
    Other packages bring runtimes of their own: torch's lies in a folder of its name."""
    found = []
    with suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            path = line.split(maxsplit=5)[-1]
            if re.search(r"/lib(gomp|iomp5|omp)[-.][^/]*$", path) and Path(path).exists():
                found.append(path)
    own = [path for path in found if "/torch/" in path or "/torch.libs/" in path]
    return min(own or found, default="")


@cache
def _version(compiler: Command) -> str:
    return _run(*compiler, "--version").partition("\n")[0]


@cache
def _processor() -> str:
    """Model and features."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        return "\n".join(sorted(line for line in lines if line.startswith(("model name", "flags", "Features"))))
    return platform.processor()


def _key(source: Path, compiler: Command, runtime: str) -> str:
    texts = [path.read_bytes() for path in (source, *sorted(SOURCES.glob("*.h")))]
    words = (*compiler, _version(compiler), *flags(), OPENMP, *SHARED, runtime, platform.machine(), _processor())
    return _digest(b"\0".join((*texts, *(word.encode() for word in words))))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _folder() -> Path:
    """The first place that can be written, without links: whoever owns a link may turn it after it was looked at."""
    for place in (_cache, _temporary):
        with suppress(OSError, RuntimeError):
            folder = place()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = folder.resolve(strict=True)
            if os.access(folder, os.W_OK | os.X_OK) and _own(folder):
                return folder
    raise LibraryError(
        "no folder to keep a library in that is this user's own and can be written; $SEMH_CACHE may name one"
    )


def _cache() -> Path:
    asked, home = os.environ.get("SEMH_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(asked) if asked else (Path(home) if home else Path.home() / ".cache") / "semh"


def _temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"semh-{os.getuid()}"


def _own(folder: Path) -> bool:
    """Nobody else may put a library there for us to load."""
    found = folder.stat()
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _whole(folder: Path, stem: str) -> Path | None:
    """The library, if it is there as it was built. A damaged one is removed."""
    for path in folder.glob(f"{stem}.*.so"):
        with suppress(OSError):
            digest = _digest(path.read_bytes())
            if path.name in (f"{stem}.{digest}.so", f"{stem}.{SERIAL}.{digest}.so"):
                with suppress(OSError):
                    os.utime(path)
                return path
            path.unlink()
    return None


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Where files cannot be locked (some network homes), or one waits for ever, two builders do the same work, and the
    last rename wins. The kernel takes the lock from whoever dies."""
    with ExitStack() as held:
        with suppress(OSError):
            _hold(held.enter_context(lock.open("w")))
        yield


def _hold(file: IO[str]) -> None:
    import fcntl

    for _ in range(int(TIMEOUT_S / POLL_S)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            Event().wait(POLL_S)


def _compile(source: Path, folder: Path, stem: str, compiler: Command, runtime: str) -> Path:
    with tempfile.TemporaryDirectory(dir=folder, prefix=".building-") as scratch:
        compiled, linked = Path(scratch) / "kernel.o", Path(scratch) / "kernel.so"
        for openmp, libraries in _ways(runtime):
            try:
                _run(*compiler, *flags(), *openmp, "-c", str(source), "-o", str(compiled))
                _run(*compiler, *SHARED, str(compiled), *libraries, "-o", str(linked))
                break
            except RefusedError as error:
                refused = error
        else:
            raise refused
        whole = stem if openmp else f"{stem}.{SERIAL}"
        target = linked.replace(folder / f"{whole}.{_digest(linked.read_bytes())}.so")
    _tidy(folder, target)
    return target


def _ways(runtime: str) -> tuple[tuple[Command, Command], ...]:
    """Flags to compile and to link with, the best first: torch's runtime, which may be none of this compiler's; the
    compiler's own, a second pool of threads; none, one thread. Two steps, for with `-fopenmp` the linker would take the
    compiler's own in any case."""
    shared = (((OPENMP,), (runtime,)),) if runtime else ()
    return *shared, ((OPENMP,), (OPENMP,)), ((), ())


def _tidy(folder: Path, newest: Path) -> None:
    """What is loaded while it is removed stays whole for its process."""
    now = newest.stat().st_mtime
    for path in (*folder.glob("*.so"), *folder.glob(".building-*")):
        with suppress(OSError):
            if now - path.stat().st_mtime > KEEP_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _run(*command: str) -> str:
    """Its output. In a session of its own, so that a compiler that hangs is ended with everything it has started."""
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        ) as process:
            try:
                out, told = process.communicate(timeout=TIMEOUT_S)
            except BaseException:
                with suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LibraryError(f"{command[0]}: {error}") from error
    if process.returncode:
        lines = [line for line in told.splitlines() if "error" in line] or told.splitlines() or ["no message"]
        raise RefusedError(f"{Path(command[0]).name} failed with {process.returncode}: {lines[0].strip()}")
    return out
