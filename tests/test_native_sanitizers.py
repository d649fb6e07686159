"""The native kernels under the compiler's sanitizers, without Python: no address out of bounds, no undefined behaviour,
no data race, on many shapes. Each has a driver in tests/native; a kernel or a function that none calls is an error."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sem_impl.kernels.native import build

DRIVERS = Path(__file__).parent / "native"
KERNELS = sorted(path.stem for path in build.SOURCES.glob("*.cpp"))
SANITIZERS = {
    "address": (
        "-fsanitize=address,undefined,float-cast-overflow",
        "-fno-sanitize-recover=all",
        "-fopenmp",
        "-march=native",
    ),
    # for any processor, where vectors are shorter; the thread sanitizer does not know OpenMP's barriers
    "thread": ("-fsanitize=thread", "-DSEMH_STD_THREADS", "-fopenmp-simd", "-pthread"),
}
# vectors wider than the processor has are passed in memory, which is no fault
WARNINGS = ("-Wall", "-Wextra", "-Werror", "-Wno-psabi")
EMPTY = "int main() { return 0; }\n"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")]


def compiled(source: Path, program: Path, kind: str) -> subprocess.CompletedProcess:
    command = ("g++", "-std=c++17", "-O1", "-g", *WARNINGS, *SANITIZERS[kind], f"-I{build.SOURCES}", f"-I{DRIVERS}")
    return subprocess.run([*command, source, "-o", program], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", params=SANITIZERS)
def sanitizer(request, tmp_path_factory):
    empty = tmp_path_factory.mktemp("sanitizer") / "empty.cpp"
    empty.write_text(EMPTY)
    if compiled(empty, empty.with_suffix(""), request.param).returncode:
        pytest.skip(f"g++ has no {request.param} sanitizer here")
    if subprocess.run([empty.with_suffix("")], capture_output=True, check=False).returncode:
        pytest.skip(f"programs with the {request.param} sanitizer do not start here")
    return request.param


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_kernel_stands_the_sanitizer_on_every_shape(kernel, sanitizer, tmp_path):
    program = tmp_path / kernel
    made = compiled(DRIVERS / f"drive_{kernel}.cpp", program, sanitizer)
    assert made.returncode == 0, made.stderr[:4000]
    done = subprocess.run([program], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr[:4000]


FAULTS = {
    "address": """
#include "driver.h"
int main() { Array<float> few(5); return few[5] > 0; }
""",
    "thread": """
#include "driver.h"
#include "parallel.h"
int main() {
  int64_t sum = 0;
  divided(999, 2, [&](int64_t begin, int64_t end, int64_t) { sum += end - begin; });
  return sum == 1;
}
""",
}


def test_the_sanitizer_would_have_noticed(sanitizer, tmp_path):
    source = tmp_path / "fault.cpp"
    source.write_text(FAULTS[sanitizer])
    assert compiled(source, source.with_suffix(""), sanitizer).returncode == 0
    done = subprocess.run([source.with_suffix("")], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Sanitizer" in done.stderr


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_exported_function_is_called_by_its_driver(kernel):
    told = subprocess.run(
        ["nm", "--dynamic", "--defined-only", build.built(kernel)], capture_output=True, text=True, check=True
    )
    exported = {line.split()[-1] for line in told.stdout.splitlines() if line.endswith(("_f32", "_f64"))}
    assert exported
    called = set(re.findall(r"\w+_f(?:32|64)\b", (DRIVERS / f"drive_{kernel}.cpp").read_text()))
    assert exported <= called
