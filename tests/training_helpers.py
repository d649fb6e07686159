"""Small trainings for the tests of sem_impl.training."""

from sem_impl.system import SEM
from sem_impl.training.loop import Training

VARIANT = SEM.variants["propagator_before"] | {"matrix": "cached"}
"""Solves well, compiles nothing."""
CONDITIONS = {c.name: c.default for c in SEM.conditions} | dict(SEM.sizes["tiny"])
SMALL = CONDITIONS | {"seq_len": 8, "width": 16, "propagator_width": 129, "candidates": 8, "kept": 4}


def model(conditions=SMALL, seed=0, **levels):
    return SEM.build(VARIANT | levels, conditions, seed)


def training(steps=10, conditions=SMALL, **levels):
    return Training(model(conditions, **levels), (VARIANT | levels)["learning_rate"], steps=steps)


def learner(steps=10, conditions=SMALL, seed=0, **levels):
    return SEM.begin(VARIANT | levels, conditions, seed, steps=steps)
