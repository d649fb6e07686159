"""Runs whose cells differ in one size, with planted exponents of time and memory."""

from analysis_helpers import World, cell

from harness.analysis import analyse_lines
from harness.records import StageBytes, StageMemory

SIZES = (64, 128, 256, 512)
STAGES = {"encoder": 0.25, "mixer": 0.5, "encoder.backward": 0.25}


def cells(sizes=SIZES, levels=("fixed",), name="seq_len", **more):
    """Baselines under each size, and one cell for each further level; controls of the first."""
    made = []
    for size in sizes:
        under = {"threads": 1, name: size, **more}
        base = f"base{size}"
        made.append(cell(f"baseline, {name}={size}", {"eps": levels[0]}, baseline=base, conditions=under, id=base))
        made += [
            cell(f"eps={level}, {name}={size}", {"eps": level}, baseline=base, conditions=under, id=f"{level}{size}")
            for level in levels[1:]
        ]
    control = made[0].model_copy(update={"id": "control", "name": "control", "control": True})
    return [*made, control]


def power(exponent: float):
    return lambda one: 1e-5 * one.conditions["seq_len"] ** exponent


def world(**changes) -> World:
    usual = {"cells": cells(), "varied": {"seq_len": SIZES}, "design": "grid", "times": power(1.0), "noise": 0.0005}
    return World(**{**usual, **changes})


def at_two_steps():
    """A world in which dt varies besides: linear at dt 0.1, quadratic at 0.2."""
    made = [
        one.model_copy(
            update={
                "id": f"{one.id}{dt}",
                "name": f"{one.name}, dt={dt}",
                "conditions": {**one.conditions, "dt": dt},
                "baseline": f"{one.baseline}{dt}",
            }
        )
        for dt in (0.1, 0.2)
        for one in cells()
    ]

    def times(one):
        return 1e-5 * one.conditions["seq_len"] ** (1 if one.conditions["dt"] == 0.1 else 2)

    return {"cells": made, "varied": {"seq_len": SIZES, "dt": (0.1, 0.2)}, "times": times}


def remembered(made: World, saved: int | None = 5):
    lines = made.lines
    for size in SIZES:
        stages = {"mixer": StageBytes(peak_bytes=size**2, delta_bytes=0, saved_bytes=saved and saved * size)}
        stages |= {"mixer.backward": StageBytes(peak_bytes=7, delta_bytes=0, saved_bytes=None)}
        total = saved and 1000 + size
        lines[2].append(
            StageMemory(cell=f"base{size}", allocator_peak_bytes=3 * size, saved_bytes=total, stages=stages)
        )
    return analyse_lines(made.manifest, lines)
