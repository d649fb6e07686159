"""A document's memory table beside what the system's code makes.

(1) elements and bytes of a row are multiplied out of its shapes: does its arithmetic hold?
(2) each of its tensors is looked for by its size in bytes among those the stage makes (a layout of its own is the
    system's business): how many there are, per layer of a stack where the row speaks of one layer
(3) a total is set against all activations of its stage, a peak against that of the call
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.holdings.stated import Row, Stated, Tensor, figure
from harness.system import Held, Holdings


@dataclass(frozen=True)
class Judged:
    row: Row
    elements: int | None
    """Multiplied out; None for a peak."""
    bytes: int
    """Multiplied out; of a peak, the largest in any stage."""
    elements_hold: bool | None
    bytes_hold: bool
    made: int | None
    """Tensors of those sizes that the stage makes in its forward; None for a peak and for an input."""
    kept: int | None
    """Of them, those that are there when it ends."""
    stage_bytes: int | None
    """Of a total: all activations of the stage (`activations`)."""
    stage_holds: bool | None


def judged(stated: Stated, holdings: Holdings) -> list[Judged]:
    return [_peak(row, holdings) if row.peak else _row(row, holdings) for row in stated.rows]


def activations(stage: str, holdings: Holdings) -> int:
    """What a stage holds besides parameters, at the most: for the backward pass when its forward ends, or inside it."""
    span = holdings.spans[stage]
    return max(span.peak_bytes - span.begin_bytes, kept_bytes(stage, holdings))


def kept_bytes(stage: str, holdings: Holdings) -> int:
    return sum(one.bytes * one.kept for one in holdings.tensors if one.stage == stage and not one.parameter)


def parameter_bytes(stage: str, holdings: Holdings) -> int:
    return sum(one.bytes * one.kept for one in holdings.tensors if one.stage == stage and one.parameter)


def peak_bytes(holdings: Holdings) -> int:
    return max(span.peak_bytes for span in holdings.spans.values())


def _peak(row: Row, holdings: Holdings) -> Judged:
    peak = peak_bytes(holdings)
    return Judged(row, None, peak, None, figure(row.memory).holds(peak), None, None, None, None)


def _row(row: Row, holdings: Holdings) -> Judged:
    elements = sum(one.elements for one in row.of)
    size = sum(one.bytes * one.count for one in row.of)
    alike = list(_alike(row, holdings))
    given = all(one.input for one in row.of)
    whole = activations(row.stage, holdings) if row.total else None
    return Judged(
        row=row,
        elements=elements,
        bytes=size,
        elements_hold=None if row.elements is None else figure(str(row.elements)).holds(elements),
        bytes_hold=figure(row.memory).holds(size),
        made=None if given else sum(one.made for one in alike),
        kept=None if given else sum(one.kept for one in alike),
        stage_bytes=whole,
        stage_holds=None if whole is None else figure(row.memory).holds(whole),
    )


def _alike(row: Row, holdings: Holdings) -> Iterable[Held]:
    sizes: Sequence[Tensor] = row.of
    for one in holdings.tensors:
        if one.stage == row.stage and any(
            one.bytes == wanted.bytes and one.parameter == wanted.parameter for wanted in sizes
        ):
            yield one
