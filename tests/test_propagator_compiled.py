"""The compiled leaf functions themselves. One set of shapes a test, since every new one is compiled."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from propagator_helpers import rounding, rows_of

from sem_impl.initial import Initial
from sem_impl.kernels import compiled
from sem_impl.propagator import Propagator

P, ROWS = 144, 5
SAMPLE = """
import warnings, torch
from sem_impl.initial import Initial
from sem_impl.propagator import Propagator

def out(kernels):
    levels = dict(method="chebyshev", matrix="cached", preconditioner="none", tolerance="fixed", kernels=kernels)
    model = Propagator(Initial(0), layers=2, P=130, dt=0.1, training_step=0, max_iterations=50, **levels)
    return model(torch.ones(3, 130, dtype=torch.complex64) * torch.linspace(0, 1, 130))

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    error = (out("compiled") - out("eager")).abs().max().item()
print(error, sum("C++ compiler" in str(w.message) for w in said))
"""


def evolve(kernels, dtype, method, preconditioner="none", dt=0.1):
    levels = {"method": method, "matrix": "cached", "preconditioner": preconditioner, "tolerance": "fixed"}
    numbers = {"layers": 2, "P": P, "dt": dt, "training_step": 0, "max_iterations": 50}
    model = Propagator(Initial(0, dtype), kernels=kernels, **levels, **numbers)
    psi = rows_of(ROWS, P).to(torch.complex64 if dtype == torch.float32 else torch.complex128).requires_grad_()
    out = model(psi)
    (out * torch.arange(P)).abs().square().mean().backward()
    return out.detach(), psi.grad, *(p.grad for p in model.parameters())


CELLS = [
    (torch.float32, "cocg", "block_jacobi"),
    (torch.float32, "cgnr", "block_jacobi"),
    (torch.float64, "chebyshev", "none"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("dtype", "method", "preconditioner"), CELLS)
def test_compiled_equals_eager_to_rounding(dtype, method, preconditioner):
    """Outputs and gradients differ by roundings: two layers forward, two back, and up to 8 updates in each solve; a
    token may stop one update earlier, which moves it by the tolerance (1e-6)."""
    allowed = 4 * rounding(dtype, 4 * 8) + (1e-6 if dtype == torch.float32 else 0)
    one, other = (evolve(kernels, dtype, method, preconditioner) for kernels in ("compiled", "eager"))
    for a, b in zip(one, other, strict=True):
        assert (a - b).norm() <= allowed * b.norm()


@pytest.mark.slow
def test_leaves_are_compiled_once_per_shape_and_run_compiled():
    """No value of dt, coefficient or parameter asks the compiler again; the leaf itself is never run as it stands."""
    evolve("compiled", torch.float64, "chebyshev")
    count = compiled._compiled.cache_info().currsize
    torch._dynamo.utils.counters.clear()
    evolve("compiled", torch.float64, "chebyshev", dt=-0.4)
    assert compiled._compiled.cache_info().currsize == count
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 0


@pytest.mark.slow
def test_without_a_compiler_it_still_works_and_says_so_once(tmp_path):
    nowhere = {"PATH": str(tmp_path), "CXX": str(tmp_path / "g++"), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "cache")}
    root = Path(compiled.__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SAMPLE], env=os.environ | nowhere, cwd=root, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    error, warned = done.stdout.split()
    assert float(error) <= 4 * rounding(torch.float32, 8)
    assert int(warned) == 1
