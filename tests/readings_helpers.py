"""Runs whose probes read what is planted: three levels of a switch, under two values of a condition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from analysis_helpers import World, cell

from harness.analysis import analyse_lines
from harness.records import Analysis, Cell, Line, Manifest, Part, ProbeReading

LEVELS = ("fixed", "dimension", "annealed")


@dataclass
class Reader(World):
    """A world whose part asks for readings; `again` is what further groups of cells read of the same cells."""

    reads: tuple[str, ...] = ()
    again: tuple[Mapping[str, Mapping[str, float | str]], ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    docs: Mapping[str, str] = field(default_factory=dict)

    @property
    def part(self) -> Part:
        return super().part.model_copy(update={"reads": self.reads})

    @property
    def manifest(self) -> Manifest:
        told = {"probes": {self.system: dict(self.units)}, "probe_docs": {self.system: dict(self.docs)}}
        return super().manifest.model_copy(update=told)

    @property
    def lines(self) -> dict[int, list[Line]]:
        found = super().lines
        found[0] += [ProbeReading(cell=c, values=dict(v)) for read in self.again for c, v in read.items()]
        return found


def cells(lengths: tuple[int, ...] = (64, 4096)) -> list[Cell]:
    """`fixed-64` is the baseline of `dimension-64` and `annealed-64`, and so on; one control."""
    found = []
    for length in lengths:
        for level in LEVELS:
            name = f"epsilon={level}, seq_len={length}" if level != "fixed" else f"baseline, seq_len={length}"
            more = {"id": f"{level}-{length}", "baseline": f"fixed-{length}"}
            conditions = {"threads": 1, "seq_len": length}
            found.append(cell(name, {"epsilon": level, "norm": "rms"}, conditions=conditions, **more))
    control = {"id": "control", "baseline": f"fixed-{lengths[0]}", "control": True}
    first = {"threads": 1, "seq_len": lengths[0]}
    return [*found, cell("control", {"epsilon": "fixed", "norm": "rms"}, conditions=first, **control)]


def reader(planted: Mapping[str, Mapping[str, float | str]], lengths: tuple[int, ...] = (64, 4096), **more) -> Reader:
    """`planted`: probe -> cell -> reading."""
    probes: dict[str, dict[str, float | str]] = {}
    for probe, read in planted.items():
        for where, value in read.items():
            probes.setdefault(where, {})[probe] = value
    given = {"trials": 2, "blocks": 2, "reads": tuple(planted), "design": "grid", **more}
    varied = {"seq_len": lengths} if len(lengths) > 1 else {}
    return Reader(cells(lengths), factors={"epsilon": LEVELS}, varied=varied, probes=probes, **given)


def stored(made: Reader) -> tuple[Manifest, Analysis]:
    return made.manifest, analyse_lines(made.manifest, made.lines)
