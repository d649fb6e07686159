"""Memory of a call and of its stages, from the allocator. Bytes as the program asked for them.

    peak     most that was alive inside, above what was alive when it began
    delta    alive when it ended, less alive when it began
    gradient bytes of the gradients that it leaves at the parameters; and those of them that were there at the peak
    saved    storages that autograd keeps for the backward pass: each counted once, where it was first saved, with all
             of its bytes; parameters, buffers and the batch are there anyway and are not counted

Every call starts from collected garbage, with the collector held still: what it frees must not depend on when it runs.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from harness.measure import guards
from harness.measure.allocator import Allocator, Extent, Reading
from harness.measure.resident import Resident
from harness.measure.stages import StageError, StageMarks
from harness.records import StageBytes, StageMemory


def stage_memory(resident: Resident, allocator: Allocator, paths: Mapping[str, str]) -> StageMemory:
    """One call under the allocator's reader and, where the mode has a backward pass, one for what it saves. A first
    call has been made before."""
    with settled(resident), allocator, StageMarks(allocator.mark, resident.model, paths) as marks:
        marks.mark("", "begin")
        output = resident.call_in_stages(marks)
        marks.mark("", "finish")
    readings = allocator.readings()
    trains = output.loss is not None
    del output
    gradients = gradient_bytes(resident.model) if trains else None
    kept = allocator.kept_from_peak() if trains else None
    there = gradient_bytes(resident.model, kept) if kept is not None else None
    saved = saved_bytes(resident, paths) if trains else {}
    try:
        spans, unstaged = marks.spans(), ""
    except StageError as error:
        spans, unstaged = {}, str(error)
    return StageMemory(
        cell=resident.cell.id,
        allocator_peak_bytes=_peak(readings, 0, len(readings) - 1),
        gradient_bytes=gradients,
        peak_gradient_bytes=there,
        saved_bytes=saved.get("") if trains else None,
        stages={
            stage: StageBytes(
                peak_bytes=_peak(readings, begin, end),
                delta_bytes=readings[end].alive_bytes - readings[begin].alive_bytes,
                saved_bytes=saved.get(stage),
            )
            for stage, (begin, end) in spans.items()
        },
        unstaged=unstaged,
    )


@contextmanager
def settled(resident: Resident) -> Iterator[None]:
    resident.prepare()
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _peak(readings: list[Reading], begin: int, end: int) -> int:
    base = readings[begin].alive_bytes
    return max(reading.peak_bytes for reading in readings[begin + 1 : end + 1]) - base


def gradient_bytes(model: Any, within: Sequence[Extent] | None = None) -> int:
    """Of the parameters' gradients, or of those that lie in these extents, their own numbers alone: one may be a view
    of a larger storage, and what several parameters share counts once."""
    found = (getattr(parameter, "grad", None) for parameter in guards.parameters(model).values())
    each = {
        (part.data_ptr(), part.shape, part.stride()): _own_bytes(part)
        for gradient in found
        if gradient is not None
        for part in _parts(gradient)
    }
    return sum(size for (address, *_), size in each.items() if within is None or _lies_in(address, within))


def _own_bytes(tensor: Any) -> int:
    """Numbers that lie there: one that is expanded along a dimension is there once."""
    extent = [int(size) for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride or not size]
    return math.prod(extent) * int(tensor.element_size())


def _lies_in(address: int, extents: Sequence[Extent]) -> bool:
    return any(one.address <= address < one.address + one.bytes for one in extents)


def saved_bytes(resident: Resident, paths: Mapping[str, str]) -> dict[str, int]:
    """Stage -> bytes it saves for the backward pass; under the empty name those of the whole call."""
    from torch.autograd.graph import saved_tensors_hooks

    model = resident.model
    known = {
        storage._cdata
        for tensor in (*model.parameters(), *model.buffers(), *_tensors(resident.batch.inputs.values()))
        for storage in storages(tensor)
    }
    kept: list[Any] = []  # held until the end, so that no address comes back as another storage

    def pack(tensor: Any) -> Any:
        for storage in storages(tensor):
            if storage._cdata not in known:
                known.add(storage._cdata)
                kept.append(storage)
        return tensor

    with (
        settled(resident),
        StageMarks(lambda: len(kept), model, paths) as marks,
        saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        resident.call_in_stages(marks)
    sizes = [storage.nbytes() for storage in kept]
    try:
        spans = marks.spans()
    except StageError:
        spans = {}
    counts = [count for _, _, count in marks.marks]
    found = {
        stage: sum(sizes[counts[begin] : counts[end]])
        for stage, (begin, end) in spans.items()
        if not stage.endswith(".backward")
    }
    return {"": sum(sizes), **found}


def storages(tensor: Any) -> list[Any]:
    """Where a tensor's numbers lie; a sparse one has several places."""
    return [part.untyped_storage() for part in _parts(tensor)]


def _parts(tensor: Any) -> list[Any]:
    import torch

    match tensor.layout:
        case torch.strided:
            return [tensor]
        case torch.sparse_coo:
            return [tensor._indices(), tensor._values()]
        case torch.sparse_csr | torch.sparse_bsr:
            return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
        case torch.sparse_csc | torch.sparse_bsc:
            return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
        case _:
            return []  # opaque to torch itself


def _tensors(values: Any) -> list[Any]:
    return [value for value in values if hasattr(value, "untyped_storage")]
