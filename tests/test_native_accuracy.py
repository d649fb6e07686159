"""The kernels' own exponential, logarithm, sine and cosine keep the accuracy that elementary.h promises, as the kernels
are compiled: in float against double at every thousandth number there is, in double against what is longer."""

import shutil
import subprocess
from pathlib import Path

import pytest

from sem_impl.kernels.native import build

pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")
MEASURE = Path(__file__).parent / "native" / "accuracy.cpp"


def measured(folder: Path, *more: str) -> subprocess.CompletedProcess:
    program = folder / "accuracy"
    flags = (*build.flags(), "-fopenmp-simd", f"-I{build.SOURCES}")
    subprocess.run(["g++", *flags, *more, MEASURE, "-o", program], check=True, capture_output=True, timeout=300)
    return subprocess.run([program], capture_output=True, text=True, check=False, timeout=300)


def test_elementary_functions_are_as_accurate_as_they_say(tmp_path):
    done = measured(tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("float: ")


def test_the_measurement_would_have_noticed(tmp_path):
    """A polynomial for e^r whose last coefficient is off by a few units."""
    source = (build.SOURCES / "elementary.h").read_text()
    spoilt = source.replace("1.6666665459e-1f * r + 5.0000001201e-1f", "1.6666665459e-1f * r + 5.0000101201e-1f")
    assert spoilt != source
    (tmp_path / "elementary.h").write_text(spoilt)
    # a header is looked for beside its source first, which has none, then in this order
    assert measured(tmp_path, f"-iquote{tmp_path}").returncode == 1
