"""Native kernels among threads and processes: equal bits whoever else is at work, and no child that waits for ever."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from sem_impl.kernels.native import available
from sem_impl.system import SEM
from tests import native_cases as cases
from tests.native_helpers import EPS, threads

KERNELS = ("cayley", "loss", "rows", "scan", "sinkhorn", "taps", "unitary")
pytestmark = pytest.mark.skipif(not all(available(name) for name in KERNELS), reason="no native libraries here")
ROOT = Path(__file__).resolve().parent.parent

LARGE = {
    "scan": cases.scan_case(0, 3, 40, 300),
    "planes": cases.scan_case(0, 2, 40, 300, planes=True),
    "selective": cases.selective_case(0, 3, 40, 300),
    "sinkhorn": cases.sinkhorn_case(0, 1, 512, 128),
    "sinkhorn of few positions": cases.sinkhorn_case(0, 9, 40, 100),
    "unitary": cases.unitary_case(0, 50, 5),
    "taps": cases.taps_case(0, 2, 33, 300),
    "rms": cases.rms_case(0, 70, 513),
    "gate": cases.gate_case(0, 70, 513),
    "direction": cases.direction_case(0, 70, 1026),
    "kerr": cases.kerr_case(0, 41, 131),
    "chebyshev": cases.chebyshev_case(0, 41, 131),
    "cocg": cases.cocg_case(0, 41, 131),
}


def gradients(case: cases.Case) -> list[torch.Tensor]:
    leaves = [each.clone().requires_grad_() for each in case.inputs]
    out = case.native(*leaves)
    return [out.detach(), *torch.autograd.grad(out.abs().square().sum(), leaves)]


@pytest.mark.parametrize("case", LARGE.values(), ids=LARGE)
def test_any_number_of_threads_gives_the_same_to_rounding_and_the_same_number_equal_bits(case):
    found = []
    for count in (1, 2, 3, 2, 1):
        with threads(count):
            found.append(gradients(case))
    for number in range(len(found[0])):
        one, two, three, two_again, one_again = (each[number] for each in found)
        assert torch.equal(one, one_again)
        assert torch.equal(two, two_again)
        for other in (two, three):
            assert (one - other).abs().max() <= case.tolerance * EPS * (1 + one.abs().max())


def test_in_two_python_threads_at_once_each_gets_the_bits_it_gets_alone():
    """A new Python thread has a number of torch's threads of its own."""

    def both(case: cases.Case) -> list[torch.Tensor]:
        with threads(2):
            return gradients(case)

    alone = {name: both(case) for name, case in LARGE.items()}
    with ThreadPoolExecutor(2) as pool:
        for name, future in [(name, pool.submit(both, case)) for name, case in LARGE.items() for _ in range(3)]:
            assert all(map(torch.equal, future.result(), alone[name]))


def trained(seed: int) -> list[torch.Tensor]:
    """Loss and all gradients of a model with every native level."""
    conditions = {c.name: c.default for c in SEM.conditions} | SEM.sizes["tiny"] | {"batch_size": 2}
    with threads(2):
        model, batch = SEM.build(SEM.variants["beyond"], conditions, seed), SEM.batch(conditions, seed)
        loss = SEM.run(model, batch, "train_step").loss
        loss.backward()
    return [loss.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


def test_two_models_in_two_threads_train_as_they_do_alone():
    alone = [trained(seed) for seed in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        crowd = [pool.submit(trained, seed) for _ in range(3) for seed in (0, 1)]
        for number, future in enumerate(crowd):
            assert all(map(torch.equal, future.result(), alone[number % 2]))


def test_python_goes_on_while_a_kernel_runs():
    """The interpreter's lock is free: with it held nothing were counted before the kernel is done."""
    cost = 20 * torch.rand(1, 1024, 256, generator=torch.Generator().manual_seed(0))
    begun, done = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        torch.ops.semh.sinkhorn(cost, 0.0, 2000)
        done.set()

    with threads(1):
        worker = threading.Thread(target=work)
        worker.start()
        begun.wait()
        counted = 0
        while not done.is_set():
            counted += 1
        worker.join()
    assert counted > 10_000


PREPARED = """
import os, signal, sys, numpy, torch
from tests.test_native_threads import LARGE, gradients
torch.set_num_threads(2)
alone = {name: gradients(case)[0] for name, case in LARGE.items()}
"""
FORKED = """
child = os.fork()
if child == 0:
    signal.alarm(120)
    for name, case in LARGE.items():
        with torch.no_grad():
            found = case.native(*case.inputs).numpy()
        numpy.testing.assert_allclose(found, alone[name].numpy(), rtol=1e-9, atol=1e-9)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
LOADED = """
from torch.utils.data import DataLoader, Dataset
class Rows(Dataset):
    def __len__(self): return 4
    def __getitem__(self, number): return LARGE["rms"].native(*LARGE["rms"].inputs)
signal.alarm(120)
for found in DataLoader(Rows(), batch_size=1, num_workers=2, multiprocessing_context="fork"):
    torch.testing.assert_close(found[0], alone["rms"])
"""
DISTRIBUTED = """
import torch.distributed as dist
from sem_impl.gates import MagnitudeGate, UnitaryGate
from sem_impl.initial import Initial
from sem_impl.norm import ComplexRMS
torch.set_num_threads(1)
def model():
    initial = Initial(0)
    parts = (ComplexRMS(initial.scope("n"), 16, kernels="fused"), UnitaryGate(initial.scope("u"), 16, kernels="fused"),
             MagnitudeGate(initial.scope("m"), kernels="fused"))
    return torch.nn.Sequential(*parts)
z = torch.randn(4, 5, 16, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
def run(rank, folder):
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    whole, shared = model(), torch.nn.parallel.DistributedDataParallel(model())
    whole(z).abs().square().mean().backward()
    shared(z[2 * rank : 2 * rank + 2]).abs().square().mean().backward()
    for one, other in zip(shared.parameters(), whole.parameters()):
        torch.testing.assert_close(one.grad, other.grad)
    dist.destroy_process_group()
if __name__ == "__main__":
    import tempfile
    with tempfile.TemporaryDirectory() as folder:
        signal.alarm(240)
        child = os.fork()
        if child == 0:
            signal.alarm(240)
            run(1, folder)
            os._exit(0)
        run(0, folder)
        assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("script", [FORKED, LOADED], ids=["fork", "workers of a loader"])
def test_a_forked_child_does_not_wait_for_its_parents_threads(script):
    """torch's own operators would, on two threads: the child compares with numpy."""
    run(PREPARED + script)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_gradients_shared_between_processes_are_those_of_the_whole_batch():
    run("import os, signal, torch\n" + DISTRIBUTED)


def run(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-4000:]
