"""Runs on devices: refused in words where there is none, exact on a queue, never ended by what a device cannot do."""

import subprocess
import sys
from types import SimpleNamespace

import on_device
import pytest
from device_fakes import LOST, UNSUPPORTED

import harness
from harness.measure import device
from harness.measure.device import Facts
from harness.measure.once import oracle_device
from harness.plan import make_plan
from harness.records import Block
from harness.suite import read_suite
from harness.systems import load_system
from tests.fakes import STAGE_S
from tests.runner_helpers import environment

FACTS = Facts(
    name="made up", driver="driver 1", id="1", memory_bytes=10**10, free_bytes=10**10, settings={"tf32": False}
)


def suite_of(folder, system, more=""):
    file = folder / "device.yaml"
    file.write_text(
        f"suite: device\ntitle: On a device\nsystem: {system}\ndesign: one_at_a_time\nbaseline: status_quo\n"
        f"blocks: 4\nmemory: false\n{more}"
    )
    return file


def run_of(folder, system, more=""):
    file = suite_of(folder, system, more)
    return harness.run(file, preset="smoke", results=folder / "results", reports=folder / "reports")


def blocks_of(result):
    folder = result.folder
    lines = [line for process in folder.manifest().processes for line in folder.lines(process.number)]
    return [line for line in lines if isinstance(line, Block)]


@pytest.fixture(scope="module")
def planted():
    """This process believes in one CUDA device; its workers get one from tests.device_fakes."""
    patch = pytest.MonkeyPatch()
    patch.setattr(device, "nodes", lambda name, *_: ["a node"] if name == "cuda" else [])
    patch.setattr(device, "asked", lambda _: FACTS)
    device.facts.cache_clear()
    yield
    patch.undo()
    device.facts.cache_clear()


@pytest.fixture(scope="module")
def on_cuda(planted, tmp_path_factory):
    factors = "factors: {pace: [usual, slow], fault: [none, unsupported, lost]}\n"
    return run_of(tmp_path_factory.mktemp("on_cuda"), "tests.device_fakes:ON_CUDA", factors)


def test_queued_work_is_read_exactly_and_charged_to_the_stage_that_launched_it(tmp_path):
    result = run_of(tmp_path, "tests.device_fakes:QUEUED", "factors: {pace: [usual, slow]}\n")
    [slow] = [one for one in result.analysis.parts[0].contrasts if one.changes]
    assert slow.ratio.point == pytest.approx(2.0, rel=1e-3)
    samples = [s for block in blocks_of(result) for s in block.samples if s.arm != "canary"]
    assert {s.arm for s in samples} == {"bare", "staged"}
    for sample in samples:
        factor = 2.0 if sample.cell == slow.cell else 1.0
        assert sample.time_s == pytest.approx(factor * sum(STAGE_S.values()), rel=1e-3)
        if sample.arm == "staged":
            assert sample.stages == pytest.approx({name: s * factor for name, s in STAGE_S.items()}, rel=1e-3)


def test_a_run_on_a_device_reads_its_clock_and_leaves_throttled_pairs_out(on_cuda):
    [part] = on_cuda.analysis.parts
    [slow] = [one for one in part.contrasts if one.changes.keys() == {"pace"}]
    assert slow.ratio.point == pytest.approx(2.0, rel=1e-3)
    samples = [s for block in blocks_of(on_cuda) for s in block.samples]
    assert {s.clock_hz for s in samples} == {1.98e9}
    assert {s.disturbed for s in samples} == {"", "throttled: thermal slowdown by software"}
    assert all(s.cpu_s is None and s.lost_share is None for s in samples)
    assert slow.excluded_blocks > 0
    reason = "pairs disturbed on the device (throttled: thermal slowdown by software)"
    assert reason in {one.reason for one in part.exclusions}
    assert "the device's clock was between 1980 and 1980 MHz, 1980 in the median" in part.notes


def test_a_report_names_the_device_before_the_processor(on_cuda):
    [report] = (on_cuda.folder.path.parent.parent / "reports").glob("*/report.md")
    assert "semh · device · made up · " in report.read_text()


def test_an_operator_a_device_lacks_is_an_outcome_in_words_and_a_lost_device_ends_no_run(on_cuda):
    outcomes = {one.detail.split(" (")[0]: one for one in on_cuda.folder.manifest().outcomes}
    [unsupported] = [one for detail, one in outcomes.items() if UNSUPPORTED in detail]
    assert unsupported.outcome == "failed"
    [lost] = [one for detail, one in outcomes.items() if LOST.splitlines()[0] in detail]
    assert (lost.outcome, "cuda answers no more after" in lost.detail) == ("crashed", True)
    assert lost.cell != unsupported.cell
    assert on_cuda.folder.manifest().state == "finished"
    assert on_cuda.analysis.trials_done == 2


def test_the_report_names_the_device_its_settings_and_those_that_were_not_run(on_cuda):
    text = on_cuda.report.with_suffix(".md").read_text()
    assert "made up, driver 1" in text
    assert "tf32" in text
    assert "xpu: untested, no such device on this machine" in text
    assert "On cuda no lost share is read" in text


def test_a_device_that_is_not_here_is_refused_before_anything_runs(tmp_path):
    if not device.absent("xpu"):
        pytest.skip("there is an xpu device here")
    file = tmp_path / "s.yaml"
    file.write_text(
        "suite: s\ntitle: T\nsystem: sem\ndesign: pair\nbaseline: status_quo\nagainst: all_on\nsize: tiny\n"
        "conditions:\n  device: xpu\n"
    )
    words = "xpu is untested here, no such device on this machine; device: cpu would do here"
    command = ["-c", WITHOUT_TORCH, "run", "s.yaml"]
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stderr.strip()) == (2, f"s.yaml:9: conditions.device: {words}\nFalse")
    assert not (tmp_path / "results").exists()
    with pytest.raises(harness.errors.UsageError, match=f"--set device=xpu: {words}"):
        make_plan(read_suite(file), settings={"device": "xpu"})
    assert make_plan(read_suite(file), settings={"device": "cpu"}).parts


WITHOUT_TORCH = """import sys, cli
sys.argv = ["semh", *sys.argv[1:]]
try:
    cli.main()
finally:
    print("torch" in sys.modules, file=sys.stderr)
"""
FACTORS = "factors: {pace: [usual, slow]}\n"


@pytest.mark.parametrize(
    ("conditions", "words"),
    [
        ("{flush_denormal: true}", "flush_denormal acts on the host alone and changes nothing on cuda"),
        ("{allocator: keep}", "allocator acts on the host alone and changes nothing on cuda; allocator: default"),
        ("{device: [cpu, cuda], allocator: [default, keep]}", "allocator acts on the host alone"),
        ("{width: 4096, rows: 4096}", ""),
    ],
)
def test_conditions_that_mean_nothing_on_a_device_are_refused(planted, tmp_path, conditions, words):
    suite = read_suite(suite_of(tmp_path, "tests.device_fakes:ON_CUDA", f"{FACTORS}conditions: {conditions}\n"))
    if words:
        with pytest.raises(harness.errors.SuiteError, match=words):
            make_plan(suite)
    else:
        assert make_plan(suite).parts[0].groups


def test_a_device_without_float64_and_one_with_little_memory_refuse_what_they_cannot_do(planted, tmp_path, monkeypatch):
    monkeypatch.setattr(device, "asked", lambda _: Facts(float64=False, free_bytes=10**9))
    device.facts.cache_clear()
    suite = read_suite(suite_of(tmp_path, "tests.device_fakes:ON_CUDA", f"{FACTORS}conditions: {{dtype: float64}}\n"))
    with pytest.raises(harness.errors.SuiteError, match=r"this cuda device has no float64; dtype: float32 would do"):
        make_plan(suite)
    small = read_suite(suite_of(tmp_path, "tests.device_fakes:ON_CUDA", FACTORS))
    with pytest.raises(harness.errors.SuiteError, match=r"0\.8 GB may be used here"):
        make_plan(small)
    assert make_plan(small, settings={"device": "cpu"}).parts
    device.facts.cache_clear()


def test_the_oracle_is_the_hosts_where_the_system_runs_there():
    there = SimpleNamespace(conditions={"device": "cuda"})
    assert oracle_device(SimpleNamespace(system=load_system("sem")), there) == {"device": "cpu"}
    assert oracle_device(SimpleNamespace(system=load_system("tests.fakes:PLAIN")), there) == {}


@pytest.mark.parametrize(
    "check",
    [
        on_device.parameters_are_the_hosts,
        on_device.memory_of_stages_is_read,
        on_device.too_large_a_tensor_is_out_of_memory,
        on_device.earlier_work_is_not_paid_for,
    ],
    ids=lambda check: check.__name__,
)
def test_what_is_asked_of_a_device_holds_of_the_host(check):
    check(on_device.Rig("cpu"))


def test_the_oracle_is_asked_of_every_level_in_every_mode():
    every = {param.id: param.values for param in on_device.flips()}
    assert {"sem-all_on-train_step", "sem_propagator-method-direct-forward", "sem-transport-sequence-forward"} <= set(
        every
    )
    assert "sem-transport-sequence-decode" not in every  # undefined
    for name in ("sem_propagator-method-direct-forward", "sem_propagator-method-cg-train_step"):
        on_device.agrees_with_the_hosts_oracle(on_device.Rig("cpu"), *every[name])


@pytest.mark.parametrize("name", ["sem", "sem_propagator"])
def test_sem_is_built_on_the_device_that_is_asked_for(name):
    """`meta` is a device of torch that every machine has."""
    system = load_system(name)
    rig = on_device.Rig("meta")
    resident = on_device.resident_of(system, rig, system.variants["all_on"], "forward")
    tensors = [*resident.model.parameters(), *resident.model.buffers(), *resident.batch.inputs.values()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert tuple(system.devices) == ("cpu", "cuda", "xpu")
