"""Where there is no native library, a level that wants one runs as its fallback, gives its bits, and says so once."""

import warnings
from contextlib import nullcontext
from unittest import mock

import pytest
import torch

from sem_impl import loss as sem_loss
from sem_impl.gates import MagnitudeGate, UnitaryGate
from sem_impl.head import Head
from sem_impl.initial import Initial
from sem_impl.kernels import native
from sem_impl.norm import ComplexRMS
from sem_impl.propagator import Propagator
from sem_impl.scan import SCANS
from sem_impl.sinkhorn import SINKHORNS, Problem
from tests.native_cases import scan_case, sinkhorn_case
from tests.native_helpers import drawn
from tests.propagator_helpers import uncompiled


@pytest.fixture
def no_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "nonsense")
    uncompiled(monkeypatch)  # the level `compiled` has a notice of its own
    native.library.cache_clear()
    yield
    native.library.cache_clear()


def transported(level: str) -> torch.Tensor:
    cost = sinkhorn_case(0, 2, 9, 5).inputs[0]
    problem = Problem(cost, cost, lambda point, _: point, lambda log_t: log_t)
    return SINKHORNS[level](problem, 5).made


def gated(kind: type, kernels: str) -> torch.Tensor:
    sizes = () if kind is MagnitudeGate else (16,)
    return kind(Initial(0), *sizes, kernels=kernels)(drawn(1, 2, 5, 16, dtype=torch.complex64))


def loss(chunked: str) -> torch.Tensor:
    """A gradient, of a level whose fallback is no level: torch's own operators in the same blocks."""
    psi = drawn(0, 2, 9, 7, dtype=torch.complex64).requires_grad_()
    with mock.patch("sem_impl.loss.Native", sem_loss.Eager) if chunked == "torch" else nullcontext():
        value = Head(Initial(0), 7, 50, head="log_linear", loss="chunked")(psi, torch.arange(18).view(2, 9))
    return torch.autograd.grad(value, psi)[0]


def evolved(kernels: str) -> torch.Tensor:
    settings = {"method": "chebyshev", "matrix": "stencil", "preconditioner": "none", "tolerance": "fixed"}
    numbers = {"layers": 1, "P": 130, "dt": 0.1, "training_step": 0, "max_iterations": 50}
    return Propagator(Initial(0), **settings, **numbers, kernels=kernels)(drawn(1, 4, 130, dtype=torch.complex64))


LEVELS = {
    "propagator": (evolved, "fused", "compiled"),
    "loss": (loss, "native", "torch"),
    "scan": (lambda level: SCANS[level](*scan_case(0, 2, 9, 5).inputs), "fused", "chunked"),
    "sinkhorn": (transported, "fused", "dense"),
    "norm": (lambda level: gated(ComplexRMS, level), "fused", "eager"),
    "magnitude": (lambda level: gated(MagnitudeGate, level), "fused", "eager"),
    "unitary": (lambda level: gated(UnitaryGate, level), "fused", "eager"),
}


@pytest.mark.parametrize(("run", "level", "fallback"), LEVELS.values(), ids=LEVELS)
def test_a_level_without_a_compiler_is_its_fallback_and_says_so_once(no_compiler, run, level, fallback):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert torch.equal(run(level), run(fallback))
        run(level)
    (notice,) = [str(each.message) for each in told]
    assert "not available here, a slower level runs instead (no C++ compiler found (nonsense)" in notice


@pytest.mark.parametrize(("run", "level", "fallback"), LEVELS.values(), ids=LEVELS)
def test_a_level_with_a_compiler_is_no_fallback(monkeypatch, run, level, fallback):
    """Else the test above would say nothing."""
    if not native.usable("scan"):
        pytest.skip("no native libraries here")
    uncompiled(monkeypatch)
    torch.testing.assert_close(run(level), run(fallback))
    assert not torch.equal(run(level), run(fallback))
