"""Energy through a stack of propagators: eight Kerr phases and Cayley steps one after the other."""

import math

import pytest
import torch

from sem_impl.initial import Initial
from sem_impl.propagator import Propagator

LAYERS = 8
GROWTH = math.hypot(1, 0.05 * 9.5)
"""|b| <= GROWTH |q| at dt 0.1, for the largest eigenvalue of H an initial one can have."""
ROUNDING = 16 * 2.0**-24
"""Of one layer in float32: sums of at most P = 256 terms, errors adding up like their root."""


def bound(tolerance):
    """| |psi'|^2 / |psi|^2 - 1 |: a layer's |psi'| is off by its solve, within tolerance times |b|, and by rounding;
    energy counts twice, eight times over."""
    return 2 * LAYERS * (tolerance * GROWTH + ROUNDING)


def worst(**levels):
    usual = {"method": "cocg", "matrix": "cached", "preconditioner": "none", "tolerance": "fixed", "kernels": "eager"}
    setting = {"dt": 0.1, "training_step": 0, "max_iterations": 50}
    stack = Propagator(Initial(0), layers=LAYERS, P=256, **usual | setting | levels)
    psi = torch.randn(64, 256, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before, after = (z.to(torch.complex128).abs().square().sum(-1) for z in (psi, stack(psi)))
    return float((after / before - 1).abs().max())


@pytest.mark.parametrize(
    "levels",
    [
        {"method": "cocg"},
        {"method": "cocg", "matrix": "rebuild"},
        {"method": "cocg", "preconditioner": "block_jacobi"},
        {"method": "cgnr"},
        {"method": "chebyshev"},
        {"method": "direct"},
        {"method": "cocg", "tolerance": "adaptive", "training_step": 10_000},
    ],
    ids=lambda levels: "-".join(str(level) for level in levels.values()),
)
def test_every_method_that_converges_keeps_it(levels):
    assert bound(1e-6) < 1e-4
    assert worst(**levels) <= bound(1e-6)


def test_the_adaptive_tolerance_keeps_it_less_well_while_it_is_loose():
    """1e-4 is not reached before training step 1000: the documents ask for both."""
    assert 1e-4 < worst(tolerance="adaptive") <= bound(1e-4)
    assert worst(tolerance="adaptive", training_step=1000) <= bound(1e-5)


def test_a_solve_that_stalls_does_not_keep_it():
    assert worst(method="cg") > 0.1
