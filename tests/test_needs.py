"""What the levels of SEM, of its pieces and of their peers need of a machine: asked of all of them, with a compiler and
without, and measured in earnest where there is none."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from harness.records import Outcome
from harness.system import Needing, System
from harness.systems import load_system, system_names
from sem_impl.kernels import native
from sem_impl.kernels.native import build
from sem_impl.peers import CAYLEY, LOSS, SCAN, SINKHORN, installed
from sem_impl.system.needs import Needs
from tests.runner_helpers import ROOT, measured, outcomes, planned

PEERS = ("SCAN", "SINKHORN", "CAYLEY", "LOSS")
SEVERAL = "native libraries on several threads"
NEEDY = {("kernels", "fused"), ("kernels", "compiled"), ("scan", "fused"), ("sinkhorn", "fused"), ("loss", "chunked")}
"""Every level of ours that is another one somewhere, and no level besides."""
PROGRAM = """import json, sys, warnings
warnings.filterwarnings("error", "native kernel|kernels: compiled")
from harness.doctor.tools import tools
from tests.test_needs import answers, ours
answered = [[*key, why] for key, why in answers().items()]
print(json.dumps({"answers": answered, "tools": ours()["sem"].tools(), "all": tools()}))
"""


def ours() -> dict[str, System]:
    peers = {f"sem_impl.peers:{name}": load_system(f"sem_impl.peers:{name}") for name in PEERS}
    return {name: load_system(name) for name in system_names()} | peers


def flipped(system: System) -> list[tuple[str, str, dict[str, str]]]:
    """A plain variant, in which every switch of ours but one has a level that runs everywhere; `sequence` lets the
    Sinkhorn switch apply, a norm of magnitudes the kernels of the norm alone."""
    plain = {**system.variants["status_quo"], "transport": "sequence", "norm": "complex_rms", "kernels": "eager"}
    plain = {switch.name: plain[switch.name] for switch in system.switches}
    found = [(switch.name, level) for switch in system.switches for level in switch.levels]
    return [(name, level, plain | {name: level}) for name, level in found]


def answers(**conditions: str | int) -> dict[tuple[str, str, str, str], str | None]:
    """(system, mode, switch, level) -> why that level does not run as named."""
    return {
        (name, mode, switch, level): system.unavailable(variant, conditions, mode)
        for name, system in ours().items()
        for mode in system.modes
        for switch, level, variant in flipped(system)
    }


def unmet(found: dict[tuple[str, str, str, str], str | None], mode: str = "train_step") -> set[tuple[str, str]]:
    """Switches and levels that somewhere do not run, in that mode."""
    return {(switch, level) for (_, where, switch, level), why in found.items() if why and where == mode}


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """What a process says that finds no compiler and nothing that was built earlier."""
    empty = tmp_path_factory.mktemp("empty")
    variables = {
        "CXX": "nonsense",
        "SEMH_CACHE": str(empty / "native"),
        "TORCHINDUCTOR_CACHE_DIR": str(empty / "torch"),
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | variables | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        cwd=empty,
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    return said | {"answers": {tuple(key): why for *key, why in said["answers"]}}


def test_without_a_compiler_every_level_that_would_be_another_one_says_so(without):
    found = {key: why for key, why in without["answers"].items() if "is not installed" not in (why or "")}
    assert unmet(found) == NEEDY
    assert unmet(found, "forward") == NEEDY - {("loss", "chunked")}
    assert unmet(found, "decode") == {("kernels", "fused"), ("kernels", "compiled"), ("sinkhorn", "fused")}
    native_ones = {why for (*_, level), why in found.items() if why and level != "compiled"}
    assert native_ones == {"no C++ compiler found (nonsense); $CXX may name one"}
    (compiled,) = {why for (*_, level), why in found.items() if why and level == "compiled"}
    assert compiled.startswith("no C++ compiler works here (InvalidCxxCompiler: ")


def test_every_system_that_has_such_a_level_says_so(without):
    """None is forgotten: what a switch of a system can be set to is asked of that system."""
    for name, system in ours().items():
        for switch, level, variant in flipped(system):
            for mode in system.modes:
                alive = next(one for one in system.switches if one.name == switch).alive(variant, mode)
                why = without["answers"][name, mode, switch, level]
                if "is not installed" not in (why or ""):
                    assert bool(why) == (alive and (switch, level) in NEEDY), (name, mode, switch, level, why)


def test_the_tools_are_named_with_what_they_lack(without):
    assert set(without["tools"]) == {"native libraries", SEVERAL, "torch.compile"}
    for name in ("native libraries", SEVERAL):
        assert without["tools"][name] == "no C++ compiler found (nonsense); $CXX may name one"
    assert without["tools"]["torch.compile"].startswith("no C++ compiler works here (InvalidCxxCompiler: ")
    assert without["all"] == without["tools"]


def test_every_library_is_one_that_the_whole_model_needs():
    libraries = {file.stem for file in Path(native.__file__).parent.glob("*.cpp")}
    assert {library for each in ours()["sem"].native.values() for library in each} == libraries


def test_with_a_compiler_every_native_level_runs_as_it_is_named():
    """Asked without the level `compiled`, which takes its compiler seconds."""
    if not native.available("cayley"):
        pytest.skip("no native libraries here")
    with patch("sem_impl.system.needs._not_compiled", return_value=""):
        for dtype in ("float32", "float64"):
            lacking = {why for why in answers(dtype=dtype).values() if why and "is not installed" not in why}
            assert not lacking


def test_on_another_device_native_levels_are_no_others():
    """The chunked loss is, there, what it is called: nobody has native kernels."""
    with patch("sem_impl.system.needs._not_compiled", return_value=""):
        found = {key: why for key, why in answers(device="cuda").items() if "is not installed" not in (why or "")}
    assert unmet(found) == {("kernels", "fused"), ("scan", "fused"), ("sinkhorn", "fused")}
    assert set(found.values()) - {None} == {"native kernels are the CPU's alone, there are none for cuda"}


def test_a_dtype_without_native_kernels_is_named():
    with patch("sem_impl.system.needs._not_compiled", return_value=""):
        found = {key: why for key, why in answers(dtype="bfloat16").items() if "is not installed" not in (why or "")}
    assert unmet(found) == NEEDY - {("kernels", "compiled")}
    assert set(found.values()) - {None} == {"no native kernel takes bfloat16; float32, float64 would do"}


def test_one_library_that_does_not_build_is_missed_by_the_levels_that_call_it(monkeypatch):
    monkeypatch.setattr(native, "lacking", lambda name, _: "g++ failed with 1: taps" if name == "taps" else "")
    with patch("sem_impl.system.needs._not_compiled", return_value=""):
        found = {key for key, why in answers().items() if why == "g++ failed with 1: taps"}
    assert {(name, switch, level) for name, _, switch, level in found} == {("sem", "kernels", "fused")}


SERIAL = """import json, warnings
from unittest.mock import patch
warnings.simplefilter("error")
patch("sem_impl.system.needs._not_compiled", return_value="").start()
from sem_impl.kernels import native
from tests.test_needs import answers, ours, unmet
one, two = (answers(threads=threads) for threads in (1, 2))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for threads in (1, 2):
        native.torch.set_num_threads(threads)
        native.library.cache_clear()
        assert native.available("scan")
        print(json.dumps(str(told[-1].message) if told else ""))
print(json.dumps({"one": sorted({*one.values()} - {None}), "unmet": sorted(unmet(two)),
                  "two": sorted({*two.values()} - {None}), "tools": ours()["sem"].tools()}))
"""


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> tuple[list, list]:
    """What two processes say, one after the other, whose compiler refuses OpenMP: one builds, one finds it built."""
    if not native.available("cayley"):
        pytest.skip("no native libraries here")
    folder = tmp_path_factory.mktemp("serial")
    compiler = folder / "plain-c++"
    wrapped = shlex.join(build._compiler())
    compiler.write_text(f'#!/bin/sh\ncase "$*" in *-fopenmp*) exit 1;; esac\nexec {wrapped} "$@"\n')
    compiler.chmod(0o755)
    variables = {"CXX": str(compiler), "SEMH_CACHE": str(folder / "native"), "SEMH_CXXFLAGS": "-O0"}
    said = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", SERIAL],
            env=os.environ | variables | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said.append([json.loads(line) for line in done.stdout.splitlines()])
    return said[0], said[1]


@pytest.mark.parametrize("start", [0, 1], ids=["built", "found"])
def test_a_library_without_openmp_is_none_for_two_threads_and_one_for_one(serial, start):
    on_one, on_two, said = serial[start]
    why = "built without OpenMP: plain-c++ has none here; $CXX may name a compiler that has"
    assert [each for each in said["one"] if "is not installed" not in each] == []
    assert [each for each in said["two"] if "is not installed" not in each] == [why]
    assert {tuple(pair) for pair in said["unmet"]} >= NEEDY - {("kernels", "compiled")}
    assert said["tools"] == {"native libraries": "", SEVERAL: why, "torch.compile": ""}
    assert (on_one, on_two) == ("", f"native kernel scan: on one thread ({why})")


@pytest.mark.parametrize("system", [SCAN, SINKHORN, CAYLEY], ids=lambda one: one.name)
def test_a_peer_that_is_not_installed_is_untested_and_says_what_installs_it(system, monkeypatch):
    monkeypatch.setattr(installed, "find_spec", lambda _: None)
    plain = system.variants["status_quo"]
    for level in system.peers:
        why = system.unavailable({**plain, system.switch: level, "kernels": "eager"}, {}, "forward")
        needs = installed.PACKAGES.get(level)
        assert why == (f"peer {needs[0]} is not installed; {installed.INSTALL} would install it" if needs else None)
    assert system.unavailable({**plain, "kernels": "eager"}, {}, "forward") is None


def test_a_torch_without_the_peer_of_the_loss_says_which_has_it(monkeypatch):
    monkeypatch.delattr(torch.nn.functional, "linear_cross_entropy", raising=False)
    for level in LOSS.peers:
        why = LOSS.unavailable({"loss": level, "work": "computed"}, {}, "train_step")
        assert why == f"torch {torch.__version__} has no linear_cross_entropy; 2.13 has"
    assert LOSS.unavailable({"loss": "materialised", "work": "computed"}, {}, "train_step") is None


def test_all_of_them_are_asked():
    for name, system in ours().items():
        assert isinstance(system, Needing) and isinstance(system, Needs), name


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("run")
    file = folder / "fake.yaml"
    file.write_text(
        "suite: fake\ntitle: No compiler\nsystem: sem_scan\nsize: tiny\nmode: forward\ndesign: one_at_a_time\n"
        "baseline: {scan: chunked}\nfactors: {scan: [chunked, fused, sequential]}\nblocks: 2\nmemory: false\n"
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CXX", "nonsense")
        patched.setenv("SEMH_CACHE", str(folder / "native"))
        patched.setattr("harness.runner.ceilings_for", lambda *_: ())
        return outcomes(measured(file, folder / "results", plan=planned(file)))


def test_a_piece_without_a_compiler_is_measured_but_for_its_native_level(run):
    (fused,) = run.items()
    assert fused[0] == "scan=fused" and fused[1].outcome == "untested"
    assert fused[1].detail == "no C++ compiler found (nonsense); $CXX may name one"
