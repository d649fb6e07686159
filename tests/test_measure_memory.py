"""Memory per stage: exactly what was allocated, left behind and saved, forward and backward, every time."""

import warnings
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from harness.analysis.evidence import Evidence
from harness.analysis.sizes import sizes
from harness.measure import memory, once, virtual
from harness.measure.allocator import (
    Change,
    CpuAllocator,
    DeviceAllocator,
    Extent,
    Reading,
    allocator_of,
    kept_from_peak,
    replayed,
)
from harness.measure.resident import Resident
from harness.measure.stage_memory import gradient_bytes, saved_bytes, stage_memory, storages
from harness.measure.workshop import Breadcrumb, Workshop
from harness.records import LINE, CellSummary, Counters, StageBytes, StageMemory, StageSize
from harness.report.markdown import table_lines
from harness.report.sizes_view import counters_sentences, counters_table, memory_sentences, memory_table
from harness.system import Batch, Output
from tests.memory_fakes import BESIDE, HOARDER
from tests.runner_helpers import fake_suite, planned

ROWS, WIDTH, WIDE = 32, 64, 128
FLOAT = 4
NARROW_BYTES, WIDE_BYTES = ROWS * WIDTH * FLOAT, ROWS * WIDE * FLOAT
SCRATCH = 1_000_000
COUNT = 1000


class Widen(nn.Module):
    """x W: a temporary of a known size comes and goes, the product stays."""

    def __init__(self):
        super().__init__()
        self.map = nn.Linear(WIDTH, WIDE, bias=False)

    def forward(self, x):
        scratch = torch.empty(SCRATCH, dtype=torch.uint8)
        del scratch
        return self.map(x)


class Squash(nn.Module):
    """tanh saves its output, and its output alone."""

    def forward(self, x):
        return torch.tanh(x)


class Chain(nn.Module):
    def __init__(self):
        super().__init__()
        self.widen = Widen()
        self.squash = Squash()
        self.register_buffer("scale", torch.ones(ROWS, WIDE))

    def forward(self, x):
        return self.squash(self.widen(x))


STAGES = {"widen": "widen", "squash": "squash"}


def resident(model=None, mode="train_step", loss=lambda y: y.sum()):
    def run(model, batch, mode):
        if mode == "train_step":
            return Output({}, loss=loss(model(batch.inputs["x"])))
        with torch.no_grad():
            return Output({"y": model(batch.inputs["x"])})

    system = SimpleNamespace(run=run)
    x = torch.randn(ROWS, WIDTH, generator=torch.Generator().manual_seed(0))
    made = Resident(SimpleNamespace(id="cell"), system, mode, model or Chain(), Batch({"x": x}))
    made.call()
    return made


def test_forward_alone_reads_the_output_and_the_temporary_to_the_byte():
    found = stage_memory(resident(mode="forward"), CpuAllocator(), STAGES)
    assert (found.saved_bytes, found.gradient_bytes) == (None, None)
    assert found.stages == {
        "widen": StageBytes(peak_bytes=SCRATCH, delta_bytes=WIDE_BYTES),
        "squash": StageBytes(peak_bytes=WIDE_BYTES, delta_bytes=WIDE_BYTES),
    }
    assert found.allocator_peak_bytes == max(SCRATCH, 2 * WIDE_BYTES)


def test_a_training_step_reads_gradients_and_saved_tensors_to_the_byte():
    """Backward of the sum, before any stage: one number of 4 bytes, expanded without a copy. squash makes the gradient
    of its input and lets go of its output; widen makes the gradient of W, which stays, and lets go of squash's and of
    the 4 bytes."""
    found = stage_memory(resident(), CpuAllocator(), STAGES)
    gradient = WIDTH * WIDE * FLOAT
    assert (found.saved_bytes, found.gradient_bytes) == (WIDE_BYTES, gradient)
    assert found.stages == {
        "widen": StageBytes(peak_bytes=SCRATCH, delta_bytes=WIDE_BYTES, saved_bytes=0),
        "squash": StageBytes(peak_bytes=WIDE_BYTES, delta_bytes=WIDE_BYTES, saved_bytes=WIDE_BYTES),
        "squash.backward": StageBytes(peak_bytes=WIDE_BYTES, delta_bytes=0),
        "widen.backward": StageBytes(peak_bytes=gradient, delta_bytes=gradient - WIDE_BYTES - FLOAT),
    }


def test_of_a_gradient_that_views_a_larger_storage_its_own_numbers_count():
    layer = nn.Linear(3, 2)
    layer.weight.grad = torch.zeros(7, 2, 3)[4]
    assert gradient_bytes(layer) == 6 * FLOAT


def test_a_gradient_counts_where_it_lies_and_what_is_shared_counts_once():
    """The first two are the same numbers, the third is one number expanded, the last lies elsewhere."""
    several = nn.ParameterList([torch.zeros(2, 3) for _ in range(4)])
    whole, other = torch.zeros(7, 2, 3), torch.zeros(2, 3)
    several[0].grad = several[1].grad = whole[4]
    several[2].grad = whole[5, :1, :1].expand(2, 3)
    several[3].grad = other
    assert gradient_bytes(several) == (6 + 1 + 6) * FLOAT
    assert gradient_bytes(several, [Extent(whole.data_ptr(), whole.nbytes)]) == (6 + 1) * FLOAT
    assert gradient_bytes(several, [Extent(whole.data_ptr(), 24 * FLOAT)]) == 0
    assert gradient_bytes(several, [Extent(other.data_ptr(), other.nbytes)]) == 6 * FLOAT
    assert gradient_bytes(several, []) == 0


def test_of_a_sparse_gradient_its_places_and_values_count():
    layer = nn.Embedding(100, 4, sparse=True)
    layer(torch.tensor([3, 5])).sum().backward()
    assert gradient_bytes(layer) == 2 * 8 + 2 * 4 * FLOAT


class Early(nn.Module):
    """Two parameters, and a backward pass by hand: `steps` says what it makes, in order."""

    ready = torch.ones(COUNT)

    def __init__(self, *steps):
        super().__init__()
        self.early, self.late = (nn.Parameter(torch.zeros(COUNT)) for _ in range(2))
        self.steps = steps

    def forward(self, _):
        return self

    def backward(self):
        for step in self.steps:
            match step:
                case "scratch":
                    torch.empty(SCRATCH, dtype=torch.uint8)
                case "both":
                    whole = torch.ones(3, COUNT)
                    self.early.grad, self.late.grad = whole[0], whole[2]
                case "one for both":
                    self.early.grad = self.late.grad = torch.ones(COUNT)
                case "late from before":
                    self.late.grad = self.ready
                case name:
                    getattr(self, name).grad = torch.ones(COUNT)


@pytest.mark.parametrize(
    ("steps", "there", "left"),
    [
        (("early", "scratch", "late"), 1, 2),
        (("scratch", "early", "late"), 0, 2),
        (("early", "late", "scratch"), 2, 2),
        (("early", "scratch"), 1, 1),
        (("both", "scratch"), 2, 2),
        (("scratch", "both"), 0, 2),
        (("one for both", "scratch"), 1, 1),
        (("early", "late from before", "scratch"), 1, 2),
        (("early", "scratch", "early", "late"), 0, 2),
    ],
)
def test_of_the_gradients_those_count_that_are_there_at_the_peak(steps, there, left):
    """`both` are views of one storage, of which a third is nobody's; in the last case the first gradient is let go of,
    and another comes in its place."""
    found = stage_memory(resident(Early(*steps), loss=lambda model: model), CpuAllocator(), {})
    assert found.gradient_bytes == left * COUNT * FLOAT
    assert found.peak_gradient_bytes == there * COUNT * FLOAT
    assert found.allocator_peak_bytes >= SCRATCH


def test_where_the_allocator_tells_no_addresses_gradients_at_the_peak_are_not_known():
    class Statistics(CpuAllocator):
        def kept_from_peak(self):
            return None

    assert stage_memory(resident(), Statistics(), STAGES).peak_gradient_bytes is None
    assert allocator_of("virtual").kept_from_peak() is None
    assert stage_memory(resident(mode="forward"), CpuAllocator(), STAGES).peak_gradient_bytes is None


def test_what_is_kept_from_the_peak_was_born_before_it_and_never_freed():
    """At the peak of 100 + 40 + 60: 1 stays, 2 is freed after it and its address given out anew, 3 comes later. What
    comes before the first mark and after the last is none of it."""
    before, after = Change(5, 9), Change(999, 8)
    inside = [Change(100, 1), Change(40, 2), Change(60, 4), None, Change(-40, 2), Change(-60, 4), Change(30, 2)]
    events = [before, None, *inside, Change(70, 3), None, after]
    assert kept_from_peak(events) == [Extent(1, 100)]
    assert kept_from_peak([None, Change(10, 1), Change(-10, 1), Change(10, 2), None]) == []
    assert kept_from_peak([None, None]) == kept_from_peak([]) == []


def test_readings_are_the_same_every_time():
    made = resident()
    first, *others = (stage_memory(made, CpuAllocator(), STAGES) for _ in range(3))
    assert others == [first] * 2


def test_saved_storages_count_once_and_what_was_there_before_not_at_all():
    """x * x saves x twice; a product with a buffer saves the buffer and one factor; a view saves all it hangs on."""

    class Several(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(ROWS, WIDTH))
            self.register_buffer("scale", torch.ones(ROWS, WIDTH))

        def forward(self, x):
            fresh = self.weight + 1
            twice = fresh * fresh
            return (twice * self.scale * x)[:, :1] * twice[:, :1]

    # fresh once; twice once, as one of the factors at the end; the factor before it, whole, through a view
    found = saved_bytes(resident(Several()), {})
    assert found == {"": 3 * NARROW_BYTES}


def test_a_sparse_tensor_lies_in_several_storages():
    matrix = torch.eye(4)
    assert len(storages(matrix)) == 1
    assert len(storages(matrix.to_sparse())) == 2
    with warnings.catch_warnings(action="ignore"):  # CSR is said to be in beta
        assert len(storages(matrix.to_sparse_csr())) == 3


def test_a_stage_that_did_not_run_costs_the_stages_and_not_the_whole():
    model = Chain()
    model.unused = nn.Identity()
    found = stage_memory(resident(model, "forward"), CpuAllocator(), STAGES | {"unused": "unused"})
    assert found.stages == {}
    assert "unused" in found.unstaged
    assert found.allocator_peak_bytes == SCRATCH


def test_readings_are_replayed_from_events():
    events = [None, 100, -40, None, 10, None, -70, None]
    assert replayed(events) == [Reading(0, 0), Reading(60, 100), Reading(70, 70), Reading(0, 70)]


@pytest.mark.parametrize("name", ["virtual", "cpu"])
def test_every_reader_reads_what_was_planted(name):
    """The contract: alive at the mark, and the most since the mark before, whatever was alive at the beginning."""
    taken = {"cpu": Taken(), "virtual": Planted(virtual.ALLOCATOR)}[name]
    taken.allocate(7)
    with allocator_of(name) as reader:
        reader.mark()
        taken.allocate(4096)
        taken.allocate(1000)
        taken.free(1000)
        reader.mark()
        taken.allocate(50)
        reader.mark()
        taken.free(4096)
        reader.mark()
    taken.free(50)
    base = reader.readings()[0].alive_bytes
    read = [(reading.alive_bytes - base, reading.peak_bytes - base) for reading in reader.readings()]
    assert read[1:] == [(4096, 5096), (4146, 4146), (50, 4146)]


class Taken:
    """Real memory, by size."""

    def __init__(self):
        self.held = {}

    def allocate(self, count):
        self.held[count] = torch.empty(count, dtype=torch.uint8)

    def free(self, count):
        del self.held[count]


class Planted:
    def __init__(self, allocator):
        self.allocate, self.free = allocator.allocate, allocator.free


@pytest.mark.parametrize(
    "device", [pytest.param("cuda", marks=pytest.mark.cuda), pytest.param("xpu", marks=pytest.mark.xpu)]
)
def test_a_device_reads_what_was_allocated_on_it(device):
    module = getattr(torch, device)
    if not module.is_available():
        pytest.skip(f"no {device} here")
    with DeviceAllocator(module) as reader:
        reader.mark()
        held = torch.empty(1 << 20, dtype=torch.uint8, device=device)
        gone = torch.empty(1 << 21, dtype=torch.uint8, device=device)
        del gone
        reader.mark()
    base, after = reader.readings()
    del held
    assert after.alive_bytes - base.alive_bytes == 1 << 20
    assert after.peak_bytes - base.alive_bytes == 3 << 20


def test_the_peak_of_a_process_outlives_a_reset():
    block = bytearray(64 << 20)
    block[:: 1 << 12] = b"x" * len(block[:: 1 << 12])
    reached = memory.process_peak_bytes()
    del block
    memory.reset_peak()
    assert memory.process_peak_bytes() >= reached - (4 << 20)  # the kernel counts pages in batches, one a thread


def written(folder, kinds):
    """The lines of a fake suite's processes, done in this process."""
    suite = fake_suite(folder, "HOARDER", "{habit: [untidy, tidy]}")
    suite.write_text(suite.read_text().replace("tests.fakes", "tests.memory_fakes"))
    plan = planned(suite)
    [part] = plan.parts
    cells = [cell for cell in part.cells if not cell.control]
    file = folder / "lines.jsonl"
    with file.open("ab", buffering=0) as stream:
        breadcrumb = Breadcrumb(str(folder / "now"))
        shop = Workshop(plan, part, None, cells, HOARDER, stream, breadcrumb)
        for kind in kinds:
            kind(shop)
    return {cell.name: cell.id for cell in cells}, part, [LINE.validate_json(line) for line in file.open()]


def test_processes_find_what_a_fake_system_planted(tmp_path):
    ids, part, lines = written(tmp_path, (once.prepare, once.measure_memory))
    evidence = Evidence(part, 0.02, smoke=True)
    for line in lines:
        if isinstance(line, StageMemory):
            evidence.stage_memory.setdefault(line.cell, []).append(line)
        elif isinstance(line, Counters):
            evidence.counters.setdefault(line.cell, []).append(line)
    for name, kept in (("status_quo", 2000), ("habit=tidy", 0)):
        found = sizes(evidence, ids[name])
        assert found.allocator_peak_bytes == BESIDE + max(3000, kept + 500)
        assert found.stages == (
            StageSize(stage="first", direction="forward", peak_bytes=3000, delta_bytes=kept, saved_bytes=None),
            StageSize(stage="second", direction="forward", peak_bytes=500, delta_bytes=0, saved_bytes=None),
        )
        assert (found.notes, found.uncounted) == ((), ())
        assert found.counters == {
            "parameters": 64,
            "flops": 150,
            "minimum_bytes": 50.5,
            "first.flops": 100,
            "first.minimum_bytes": 20,
            "second.flops": 50,
            "second.minimum_bytes": 30.5,
            "products": 1.0,
        }


def summary(**found):
    return CellSummary(cell="c", part="p", name="calm", outcome="measured", **found)


def test_the_report_shows_every_stage_in_one_unit():
    def size(stage, direction, peak, delta, saved=None):
        return StageSize(stage=stage, direction=direction, peak_bytes=peak, delta_bytes=delta, saved_bytes=saved)

    stages = (
        size("first", "forward", 3 << 20, 2 << 20, 1 << 20),
        size("second", "forward", 5 << 20, 0, 0),
        size("second", "backward", 1 << 19, -(1 << 20)),
        size("first", "backward", 1 << 20, -(2 << 20)),
    )
    cell = summary(stage_sizes=stages, allocator_peak_bytes=6 << 20, saved_bytes=1 << 20, peak_bytes=300 << 20)
    assert list(table_lines(memory_table([cell])))[4:-1] == [
        "| calm | whole call | 6.000 |  | 1.000 |  |  | 300 |",
        "| calm | first | 3.000 | 2.000 | 1.000 | 1.000 | −2.000 |  |",
        "| calm | second | 5.000 | 0 | 0 | 0.5000 | −1.000 |  |",
    ]
    forward = summary(stage_sizes=stages[:1], allocator_peak_bytes=6 << 20, peak_bytes=300 << 20)
    head = list(table_lines(memory_table([forward])))[2]
    assert head == "| Cell | Stage | Peak, MiB | Left behind, MiB | Process peak, MiB |"
    assert memory_table([summary()]) is None


def test_old_runs_have_no_sizes_and_their_report_no_tables():
    assert counters_table([summary()]) is None
    assert list(counters_sentences([summary()])) == list(memory_sentences([summary()])) == []
