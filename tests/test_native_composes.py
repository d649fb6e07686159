"""Native operators keep torch's contracts: schema, fake tensors, autograd; they compile whole, and checkpointing,
autocast, copies and vectorising transforms meet in them what they meet in any operator."""

import copy
import importlib
import io

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sem_impl.gates import MagnitudeGate, UnitaryGate
from sem_impl.initial import Initial
from sem_impl.kernels.native import available, usable
from sem_impl.kernels.native.build import SOURCES
from sem_impl.norm import ComplexRMS
from sem_impl.propagator import Propagator
from sem_impl.scan import SCANS
from tests import native_cases as cases
from tests.native_helpers import drawn

KERNELS = ("cayley", "loss", "rows", "scan", "sinkhorn", "taps", "unitary")
pytestmark = pytest.mark.skipif(not all(available(name) for name in KERNELS), reason="no native libraries here")

CASES = {
    "scan": cases.scan_case(0, 2, 5, 3),
    "scan of planes": cases.scan_case(0, 2, 5, 3, planes=True),
    "selective_scan": cases.selective_case(0, 2, 5, 3),
    "sinkhorn": cases.sinkhorn_case(0, 2, 7, 5),
    "unitary_gate": cases.unitary_case(0, 5, 2),
    "gated_taps": cases.taps_case(0, 2, 5, 3),
    "complex_rms": cases.rms_case(0, 5, 3),
    "magnitude_gate": cases.gate_case(0, 5, 3),
    "direction": cases.direction_case(0, 5, 3),
    "kerr": cases.kerr_case(0, 3, 131),
    "chebyshev": cases.chebyshev_case(0, 3, 131),
    "cocg": cases.cocg_case(0, 3, 131),
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def arguments() -> dict[str, list[tuple]]:
    """Of every operator: `all_operators_are_tried` finds the one that is missing."""
    given = {name: [each.clone() for each in case.inputs] for name, case in CASES.items()}
    A, u, state = given["scan"]
    h = torch.ops.semh.scan(A, u, state)
    x, rate, theta, drive, first = given["selective_scan"]
    (cost,), (z, logits, U, phase) = given["sinkhorn"], given["unitary_gate"]
    psi, kappa, weights = given["chebyshev"]
    logs = torch.log_softmax(-cost, -1)
    taps, (rows, gamma), (gated, beta), (direction,) = (
        given[name] for name in ("gated_taps", "complex_rms", "magnitude_gate", "direction")
    )
    chebyshev, cocg = (0.05, 1e-6, 20), (0.05, True, 1e-6, 20)
    T, targets = drawn(0, 6, 4), torch.tensor([0, 5, 2, 3])
    states = torch.tensor([-torch.inf, 0, 0, torch.nan]).double().unsqueeze(1).repeat(1, 4)
    return {
        "scan": [(A, u, state), tuple(given["scan of planes"])],
        "scan_adjoint": [(A, h, state, u)],
        "selective_scan": [(x, rate, theta, drive, first)],
        "selective_scan_adjoint": [(x, rate, theta, drive, drive, first, drive)],
        "sinkhorn": [(cost, 1e-3, 5)],
        "sinkhorn_adjoint": [(logs, cost)],
        "unitary_gate": [(z, logits, U, phase)],
        "unitary_gate_adjoint": [(z, z, logits, U, phase)],
        "gated_taps": [tuple(taps)],
        "gated_taps_adjoint": [(taps[0], *taps)],
        "complex_rms": [(rows, gamma, 1e-6)],
        "complex_rms_adjoint": [(rows, gamma, rows, 1e-6)],
        "magnitude_gate": [(gated, beta)],
        "magnitude_gate_adjoint": [(gated, beta, gated)],
        "direction": [(direction, 1e-12)],
        "direction_adjoint": [(direction, direction, 1e-12)],
        "kerr": [(psi, kappa)],
        "kerr_adjoint": [(psi, kappa, psi)],
        "edge_gradients": [(psi, psi, psi, psi)],
        "chebyshev": [(psi, kappa, weights, *chebyshev), (psi, None, weights, *chebyshev)],
        "chebyshev_adjoint": [(psi, kappa, weights, psi, psi, *chebyshev)],
        "cocg": [(psi, kappa, weights, *cocg), (psi, None, weights, *cocg)],
        "cocg_adjoint": [(psi, kappa, weights, psi, psi, *cocg)],
        "softmax_sums": [(T, drawn(0, 6), targets, 0, None, states)],
        "softmax_gradient_": [(T.clone(), drawn(0, 6), targets, 0, None, states.abs() + 1, 0.25, drawn(0, 6))],
        "scale_": [(T.clone(), torch.tensor(2.0).double())],
    }


ADJOINT = ("_adjoint", "edge_gradients", "softmax_sums", "softmax_gradient_", "scale_")


def operators() -> set[str]:
    for file in SOURCES.glob("*.cpp"):
        importlib.import_module(f"sem_impl.kernels.native.{file.stem}")
    names = torch._C._dispatch_get_all_op_names()
    return {name.removeprefix("semh::").split(".")[0] for name in names if name.startswith("semh::")}


def test_all_operators_are_tried():
    assert operators() == set(arguments())


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(operators()))
def test_an_operator_keeps_torchs_contracts(name):
    for given in arguments()[name]:
        leaves = given
        if not name.endswith(ADJOINT):
            leaves = [each.requires_grad_() if isinstance(each, Tensor) else each for each in given]
        torch.library.opcheck(getattr(torch.ops.semh, name).default, tuple(leaves))


def gradients(level, inputs: list[Tensor]) -> list[Tensor]:
    leaves = [each.clone().requires_grad_() for each in inputs]
    out = level(*leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, drawn(9, *out.shape, dtype=out.dtype))]


def equal(found: list[Tensor], expected: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


@every_case
def test_it_compiles_whole(case):
    compiled = torch.compile(case.native, fullgraph=True, backend="aot_eager")
    assert equal(gradients(compiled, case.inputs), gradients(case.native, case.inputs))


def module(name: str) -> tuple[nn.Module, Tensor]:
    initial, z = Initial(0), drawn(1, 2, 5, 16, dtype=torch.complex64)
    match name:
        case "norm":
            return ComplexRMS(initial, 16, kernels="fused"), z
        case "magnitude":
            return MagnitudeGate(initial, kernels="fused"), z
        case "propagator":
            settings = {"method": "chebyshev", "matrix": "stencil", "preconditioner": "none", "tolerance": "fixed"}
            numbers = {"layers": 2, "P": 130, "dt": 0.1, "training_step": 0, "max_iterations": 50}
            psi = drawn(1, 2, 3, 130, dtype=torch.complex64)
            return Propagator(initial, **settings, **numbers, kernels="fused"), psi
        case _:
            return UnitaryGate(initial, 16, kernels="fused"), z


every_module = pytest.mark.parametrize("name", ["norm", "magnitude", "unitary", "propagator"])


@every_module
def test_a_level_compiles_whole(name):
    """Whether a library is there is asked while it is compiled, not by what is compiled."""
    level, z = module(name)
    torch.testing.assert_close(torch.compile(level, fullgraph=True, backend="aot_eager")(z), level(z))


def test_the_scan_compiles_whole():
    inputs = CASES["scan"].inputs
    compiled = torch.compile(SCANS["fused"], fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(*inputs), SCANS["fused"](*inputs))


@every_module
def test_a_copy_and_what_was_saved_give_equal_bits(name):
    level, z = module(name)
    file = io.BytesIO()
    torch.save(level, file)
    file.seek(0)
    saved = torch.load(file, weights_only=False)
    assert torch.equal(copy.deepcopy(level)(z), level(z))
    assert torch.equal(saved(z), level(z))


@every_case
def test_checkpointing_changes_no_bit(case):
    assert equal(
        gradients(lambda *given: checkpoint(case.native, *given, use_reentrant=False), case.inputs),
        gradients(case.native, case.inputs),
    )


@every_case
def test_autocast_leaves_it_alone(case):
    plain = gradients(case.native, case.inputs)
    with torch.autocast("cpu", torch.bfloat16):
        assert equal(gradients(case.native, case.inputs), plain)


@every_case
def test_transformations_of_functions_are_refused(case):
    """torch.func knows no operator whose gradient is registered with `torch.library`."""
    with pytest.raises(RuntimeError, match="functorch transforms"):
        torch.func.grad(lambda *given: case.native(*given).abs().sum())(*case.inputs)


@every_case
def test_a_second_derivative_is_refused(case):
    leaves = [each.clone().requires_grad_() for each in case.inputs]
    first = torch.autograd.grad(case.native(*leaves).abs().sum(), leaves, create_graph=True)
    with pytest.raises(RuntimeError, match=r"native operator has none itself|no autograd formula was registered"):
        torch.autograd.grad(sum(each.abs().sum() for each in first), leaves)


def test_other_devices_and_precisions_are_not_usable():
    assert usable("rows", torch.zeros(3))
    assert not usable("rows", torch.zeros(3, dtype=torch.bfloat16))
    assert not usable("rows", torch.zeros(3, device="meta"))
