"""What is counted without holding it is what the allocator hands out."""

import pytest
import torch

from harness.measure.allocator import allocator_of
from harness.measure.resident import settle_in
from harness.measure.stage_memory import stage_memory
from harness.records import Cell
from sem_impl import hamiltonian, memory
from sem_impl.memory import Storages
from sem_impl.system import SEM

SIZE = {c.name: c.default for c in SEM.conditions} | SEM.sizes["tiny"] | {"batch_size": 3, "seq_len": 37}
FAST = SEM.variants["propagator_before"] | {"matrix": "cached"}
TABLES = 8 * 7 * 256 + 4 * 7 * 256 + 4 * 257
"""The pattern of H, which a process makes once and keeps: int64 order, int32 columns and row starts at P = 256."""
SCRATCH = 65_536
"""What making them takes besides, and what operators need inside and give back: the sort of the transport's entries is
the largest, 16 bytes for each of B S K."""


def really(variant, mode):
    cell = Cell(id="c", part="p", name="n", variant=variant, conditions=SIZE, baseline="c")
    resident = settle_in(cell, SEM, mode, 0, None, {})
    resident.prepare()
    resident.call()
    return stage_memory(resident, allocator_of("cpu"), SEM.stages)


def kept(counted, stage):
    return sum(one.bytes * one.kept for one in counted.tensors if one.stage == stage and not one.parameter)


def inside(span):
    return span.peak_bytes - span.begin_bytes


@pytest.mark.parametrize(
    ("mode", "levels"), [("train_step", {}), ("forward", {"head": "born_quadratic"}), ("decode", {})]
)
def test_every_stage_holds_what_the_allocator_says(mode, levels):
    variant = FAST | levels
    counted, measured = SEM.holdings(variant, SIZE, mode), really(variant, mode)
    for stage, found in measured.stages.items():
        assert inside(counted.spans[stage]) == pytest.approx(found.peak_bytes, rel=0.01, abs=SCRATCH)
        if stage in SEM.stages:
            assert kept(counted, stage) == pytest.approx(found.delta_bytes, abs=TABLES + 512)
    whole = max(span.peak_bytes for span in counted.spans.values()) - counted.parameter_bytes - counted.input_bytes
    assert whole == pytest.approx(measured.allocator_peak_bytes, rel=0.01, abs=SCRATCH)


def test_parameters_are_those_of_a_model_that_is_built():
    variant = FAST | {"head": "born_quadratic", "matrix": "rebuild", "kernels": "compiled"}
    model = SEM.build(variant, SIZE, 0)
    counted = SEM.holdings(variant, SIZE, "forward")
    assert counted.assumed == "matrix cached and kernels eager"
    own = (*model.parameters(), *model.buffers())
    assert counted.parameter_bytes == sum(p.numel() * p.itemsize for p in own)
    rows = [one for one in counted.tensors if one.parameter]
    assert sum(one.bytes * one.kept for one in rows) == counted.parameter_bytes
    weight = next(one for one in rows if one.place == "head.projection.weight")
    assert (weight.shape, weight.dtype, weight.stage, weight.kept) == ((256, 256, 2), "float32", "head", 1)
    layered = next(one for one in rows if one.place == "mixer.layers.*.output.weight")
    assert (layered.made, layered.kept) == (2, 2)


@pytest.mark.parametrize(
    ("absent", "said"),
    [
        ({"cayley", "scan", "sinkhorn"}, {"kernels": "eager", "scan": "chunked", "sinkhorn": "dense"}),
        ({"scan"}, {"scan": "chunked"}),
        (set(), {}),
    ],
)
def test_a_native_level_without_its_library_is_counted_under_the_name_of_what_runs(monkeypatch, absent, said):
    monkeypatch.setattr(memory, "available", lambda library: library not in absent)
    native = {"kernels": "fused", "scan": "fused", "sinkhorn": "fused", "matrix": "cached"}
    assert memory.assumed(FAST | native) == said


def test_a_size_that_fits_nowhere_is_counted_in_the_documents_figures():
    """B 32, S 512, V 50262: logits of 3.07 GiB, and at the peak of a training step three tensors of that size."""
    conditions = SIZE | SEM.sizes["document"] | {"layers": 1}
    counted = SEM.holdings(FAST, conditions, "train_step")
    logits = 4 * 32 * 512 * 50262
    made = [one for one in counted.tensors if one.stage == "head" and one.bytes == logits]
    assert sum(one.made for one in made) == 2
    assert sum(one.kept for one in made) == 1
    head, backward = counted.spans["head"], counted.spans["head.backward"]
    assert counted.assumed == ""
    assert 2 * logits < inside(head) < 2.4 * logits
    assert head.begin_bytes + 3 * logits < backward.peak_bytes < head.begin_bytes + 3.5 * logits


def test_the_chunked_loss_holds_no_logits_of_a_batch():
    conditions = SIZE | {"vocabulary": 200_000, "layers": 1}
    logits = 4 * 3 * 37 * 200_000
    counted = SEM.holdings(FAST | {"loss": "chunked"}, conditions, "train_step")
    assert not [one for one in counted.tensors if one.bytes == logits]
    a_block, gradients = 4 * 2**20, 4 * 200_000 * (2 * 256 + 1)
    assert inside(counted.spans["head"]) < gradients + 2 * a_block < gradients + logits / 10


def test_tables_with_and_without_numbers_never_meet():
    """What a function remembers from a count would have no numbers, and what it remembers from before would be counted
    as there already."""
    before = hamiltonian._pattern(256, torch.device("cpu"))
    SEM.holdings(FAST, SIZE, "forward")
    after = hamiltonian._pattern(256, torch.device("cpu"))
    assert all(type(table) is torch.Tensor for table in after)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_a_mode_that_cannot_be_counted_is_refused_in_words():
    with pytest.raises(
        ValueError, match="mode train_update cannot be counted; forward, prefill, train_step, decode can"
    ):
        SEM.holdings(FAST, SIZE, "train_update")


def test_a_storage_is_alive_until_nothing_refers_to_it_and_a_view_is_none():
    storages = Storages(100)
    with storages:
        first = torch.zeros(25)  # 100 bytes
        view = first[:5].view(5, 1)
        assert storages.alive_bytes == 200
        second = view + 1
        assert storages.alive_bytes == 220
        del first, second
        assert storages.alive_bytes == 200
        del view
    assert storages.alive_bytes == 100
    assert storages.spans[""].peak_bytes == 220
