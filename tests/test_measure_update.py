"""The update of a training step is a stage of its own: timed, counted, reported; shares stand with and without it."""

import gc

import numpy as np
import pytest
import torch
from torch import nn

import harness
from harness.errors import SuiteError
from harness.measure.allocator import allocator_of
from harness.measure.counters import operator_counts
from harness.measure.once import prepare
from harness.measure.resident import Resident
from harness.measure.stage_memory import stage_memory
from harness.measure.stages import StageRecorder
from harness.measure.trial import run_trial
from harness.measure.virtual import VirtualClock
from harness.measure.workshop import Breadcrumb, Workshop
from harness.records import LINE, Cell, Process
from harness.suite import read_suite
from harness.system import Batch, Output
from harness.tables import system_tables
from tests.fakes import NOISE, UPDATING, FakeLoss, Updating
from tests.plan_helpers import HEAD, SYSTEM, PlannedSystem, plan_of
from tests.runner_helpers import fake_suite, planned

WIDTH = 64
STAGES = {"first": "0", "last": "1"}


class Steps:
    """A system whose update adds to a buffer of its own, twice; the second makes a temporary of WIDTH numbers."""

    name = "steps"
    probes = ()

    def run(self, model, batch, mode):
        self.calls = [*getattr(self, "calls", []), "run"]
        loss = model(batch.inputs["x"]).sum()
        return Output({}, loss, (lambda: self.update(model)) if mode == "train_update" else None)

    def update(self, model):
        assert all(p.grad is not None for p in model.parameters())
        self.calls.append("update")
        with torch.no_grad():
            model.kept.add_(1)
            model.kept.add_(model[0].weight.grad[0] * 2)


def resident(mode="train_update"):
    model = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh())
    model.register_buffer("kept", torch.zeros(WIDTH))
    cell = Cell(id="cell", part="p", name="n", variant={}, conditions={}, baseline="cell")
    return Resident(cell, Steps(), mode, model, Batch({"x": torch.ones(2, WIDTH)}))


def test_the_update_follows_every_backward_pass_of_a_sample():
    made = resident()
    made.prepare()
    made.call_repeatedly(3)
    assert made.system.calls == ["run", "update"] * 3
    assert resident("train_step").call().update is None


def test_an_update_has_a_time_of_its_own_that_is_in_no_other_stage():
    clock = VirtualClock()
    made = resident()
    made.system.update = lambda _: clock.advance(5.0)
    with StageRecorder(clock, made.model, STAGES) as recorder:
        made.call_in_stages(recorder)
    times = recorder.times()
    assert times == {"first": 0, "last": 0, "first.backward": 0, "last.backward": 0, "optimiser": 5.0}


def test_operators_of_the_update_are_its_own_and_count_with_the_call():
    """add, select of a row, product, add; and neither forward nor backward changes."""
    found, uncounted = operator_counts(resident(), STAGES)
    without, _ = operator_counts(resident("train_step"), STAGES)
    assert uncounted == ""
    assert found["optimiser.operators"] == 4
    assert found["operators"] == without["operators"] + 4
    assert {name: found[name] for name in without if name != "operators"} == {
        name: value for name, value in without.items() if name != "operators"
    }


def test_memory_of_the_update_is_what_it_holds_for_a_moment():
    found = stage_memory(resident(), allocator_of("cpu"), STAGES)
    assert found.unstaged == ""
    update = found.stages["optimiser"]
    assert 4 * WIDTH <= update.peak_bytes < 4 * WIDTH + 64  # and the numbers 1 and 2 as tensors
    assert (update.delta_bytes, update.saved_bytes) == (0, 0)


def test_a_run_s_shares_are_those_planted_with_and_without_the_update(tmp_path):
    """Planted: forward 3, backward 2, update 1."""
    file = fake_suite(tmp_path, "UPDATING", "{label: [old, new]}", "confirm: false\nmode: train_update\n")
    result = harness.run(file, preset="smoke", results=tmp_path / "results", reports=tmp_path / "reports")
    (part,) = result.analysis.parts
    cell = next(cell for cell in part.cells if cell.name == "status_quo")
    found = {(one.stage, one.direction): one for one in cell.stages}
    shares = {("second", "forward"): 3 / 6, ("second", "backward"): 2 / 6, ("optimiser", "forward"): 1 / 6}
    assert {key: one.share.point for key, one in found.items()} == pytest.approx(shares, rel=2 * NOISE)
    without = {key: one.share_without_update for key, one in found.items()}
    assert without.pop(("optimiser", "forward")) is None
    assert {key: one.point for key, one in without.items()} == pytest.approx(
        {("second", "forward"): 3 / 5, ("second", "backward"): 2 / 5}, rel=2 * NOISE
    )
    assert abs(cell.closure.point) < 1e-9
    assert {one.stage for one in part.stage_contrasts} == {"second", "optimiser"}
    (page,) = (tmp_path / "reports").glob("*/report.md")
    text = page.read_text()
    assert "Share without the update, % [95 % interval]" in text
    assert "| optimiser |" in text


def test_a_mode_without_an_update_has_no_such_stage_and_no_such_column(tmp_path):
    stages = {}
    for mode in UPDATING.modes:
        file = fake_suite(tmp_path, "UPDATING", "{label: [old, new]}", f"mode: {mode}\n")
        stages[mode] = planned(file).parts[0].stages
    assert stages == {"forward": ("second",), "train_step": ("second",), "train_update": ("second", "optimiser")}
    assert "stages second, in train_update also optimiser" in system_tables(UPDATING)[0].plain
    assert "also optimiser" not in system_tables(SYSTEM)[0].plain


class Undefined(PlannedSystem):
    """No train_step for `matrix: cached`; no width above 70 in any mode."""

    def estimate(self, variant, conditions, mode):
        if mode == "train_step" and variant["matrix"] == "cached":
            raise ValueError("matrix cached has no train_step")
        if conditions["width"] > 70:
            raise ValueError("width above 70")
        return super().estimate(variant, conditions, mode)


UNDEFINED = Undefined()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("mode: train_step\n", r":6: mode: cell '.*': matrix cached has no train_step$"),
        ("mode: train_step\nconditions: {width: 80}\n", r":7: conditions: width above 70$"),
    ],
)
def test_a_mode_that_a_variant_does_not_have_is_an_error_of_the_plan_at_its_line(tmp_path, body, message):
    head = HEAD.replace("plan_helpers:SYSTEM", "tests.test_measure_update:UNDEFINED")
    body = "design: pair\nagainst: all_on\n" + body
    with pytest.raises(SuiteError, match=message):
        plan_of(tmp_path, body, head)


def test_decoding_under_sequence_is_an_error_of_the_plan(tmp_path):
    file = tmp_path / "decode.yaml"
    file.write_text(
        "suite: decode\ntitle: t\nsystem: sem\nsize: tiny\nmode: decode\ndesign: one_at_a_time\n"
        "baseline: propagator_before\nfactors: {transport: [causal, sequence]}\n"
    )
    with pytest.raises(SuiteError, match=r"decode.yaml:5: mode: cell 'transport=sequence': transport sequence has no"):
        harness.plan.make_plan(read_suite(file))


class Poisoned(Updating):
    """With `label: new` a finite loss has a gradient that is none; the update subtracts it at a rate of 0."""

    def run(self, model, batch, mode):
        output = super().run(model, batch, mode)
        gradient = np.full_like(model.weight.data, np.nan if model.variant["label"] == "new" else 1.0)

        class Loss(FakeLoss):
            def backward(self):
                super().backward()
                model.weight.grad = gradient

        def update():
            model.weight.data -= 0 * model.weight.grad
            output.update()

        return Output({}, Loss(output.loss.data), update)


@pytest.mark.parametrize("work", [prepare, run_trial])
def test_a_gradient_that_is_not_finite_reaches_no_parameter(tmp_path, work):
    """The cell comes first, and shares its parameters with the one after it."""
    file = fake_suite(tmp_path, "UPDATING", "{label: [old, new]}", "mode: train_update\n")
    plan = planned(file)
    [part] = plan.parts
    cells = sorted((cell for cell in part.cells if not cell.control), key=lambda cell: cell.variant["label"])
    ids = tuple(cell.id for cell in cells)
    process = Process(number=1, process="trial", part="p", group=0, trial=1, attempt=1, cells=ids, state="running")
    made = []

    class System(Poisoned):
        def build(self, *given):
            made.append(super().build(*given))
            return made[-1]

    system = System("poisoned", UPDATING.switches, UPDATING.work, stages=UPDATING.stages, modes=UPDATING.modes)
    with (tmp_path / "1.jsonl").open("wb") as stream:
        work(Workshop(plan, part, process, cells, system, stream, Breadcrumb(str(tmp_path / "now"))))
    gc.unfreeze()
    lines = [LINE.validate_json(line) for line in (tmp_path / "1.jsonl").read_bytes().splitlines()]
    outcomes = [(line.cell, line.outcome, line.detail) for line in lines if line.kind == "outcome"]
    assert [cell.variant["label"] for cell in cells] == ["new", "old"]
    assert outcomes == [(cells[0].id, "not_finite", "NaN or infinity in gradient of weight")]
    assert made[0].weight is made[1].weight
    assert np.isfinite(made[1].weight.data).all()
