"""One block in earnest: who is called, in which order, and what of it is timed."""

from __future__ import annotations

import gc
from dataclasses import replace

import pytest
from plan_helpers import plan_of

from harness.measure.canary import VirtualCanary
from harness.measure.trial import run_trial
from harness.measure.workshop import Breadcrumb, Workshop
from harness.records import LINE, Block, Process
from tests.fakes import GAINING

FAKE = "suite: gains\ntitle: Who is called when?\nsystem: tests.fakes:GAINING\nmemory: false\n"
SUITE = "design: one_at_a_time\nconditions: {rows: [6, 7]}\nfactors: {SWITCHES}\nblocks: 4\n"
SONG = "song"
SWITCHES = ", ".join(f"{switch.name}: [new]" for switch in GAINING.switches[:2])


@pytest.fixture
def block(tmp_path, monkeypatch):
    """The blocks of a trial of two families, and all calls made: (cell by variant and rows, collector enabled)."""
    calls = []

    def watched(model, batch, mode):
        rows = batch.inputs["x"].shape[0]
        calls.append(((tuple(sorted(model.variant.items())), rows), gc.isenabled()))
        return type(GAINING).run(GAINING, model, batch, mode)

    def sung(canary):
        calls.append((SONG, gc.isenabled()))
        return sing(canary)

    sing = VirtualCanary.sing
    monkeypatch.setattr(VirtualCanary, "sing", sung)
    system = replace(GAINING)
    monkeypatch.setattr(system, "run", watched, raising=False)
    plan = plan_of(tmp_path, SUITE.replace("SWITCHES", SWITCHES), FAKE, preset="quick")
    [part] = plan.parts
    cells = [cell for cell in part.cells if not cell.control]  # each cell can be told by its variant
    ids = tuple(cell.id for cell in cells)
    process = Process(
        number=1, process="trial", part=part.name, group=0, trial=1, attempt=1, cells=ids, state="running"
    )
    file = tmp_path / "1.jsonl"
    with file.open("wb") as stream:
        run_trial(Workshop(plan, part, process, cells, system, stream, Breadcrumb(str(tmp_path / "now"))))
    gc.unfreeze()
    names = {cell.id: (tuple(sorted(cell.variant.items())), cell.conditions["rows"]) for cell in cells}
    blocks = [line for line in map(LINE.validate_json, file.read_bytes().splitlines()) if isinstance(line, Block)]
    families = {cell.id: cell.conditions["rows"] for cell in cells}
    return blocks, calls, names, families


def test_where_a_block_comes_to_other_cells_the_last_of_them_is_called_untimed_first(block):
    """Both canaries of a block follow a call of its last cell, and each an untimed song."""
    blocks, calls, names, families = block
    expected = []
    for one in blocks:
        samples = sorted((s for s in one.samples if s.arm == "bare"), key=lambda sample: sample.position)
        last = {families[sample.cell]: sample.cell for sample in samples}
        expected += [names[samples[-1].cell], SONG, SONG]
        here = None
        for sample in samples:
            if families[sample.cell] != here:
                here = families[sample.cell]
                expected.append(names[last[here]])
            expected.append(names[sample.cell])
        expected += [SONG, SONG]
    assert [cell for cell, _ in calls[-len(expected) :]] == expected
    assert {families[sample.cell] for one in blocks for sample in one.samples if sample.arm == "bare"} == {6, 7}


def test_the_collector_rests_while_a_block_is_measured(block):
    blocks, calls, *_ = block
    during = sum(sample.arm == "bare" for one in blocks for sample in one.samples)
    assert not any(enabled for _, enabled in calls[-during:])
    assert calls[0][1]
    assert gc.isenabled()
