"""Every native operator with random inputs of some size, beside the same function in torch's own operators."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize, softplus

from sem_impl.convolution import Taps
from sem_impl.gates import MagnitudeGate
from sem_impl.kernels.native import cayley, rows, scan, sinkhorn, taps, unitary
from sem_impl.linear import unit
from sem_impl.norm import RootMeanSquare
from sem_impl.propagator import Cayley, Kerr
from sem_impl.scan import SCANS
from sem_impl.sinkhorn import Dense
from sem_impl.solve import Step
from tests.native_helpers import drawn
from tests.propagator_helpers import weights_of

COMPLEX = torch.complex128


@dataclass(frozen=True)
class Case:
    native: Callable[..., Tensor]
    reference: Callable[..., Tensor]
    inputs: list[Tensor]
    tolerance: float
    """In roundings, of a difference against 1 + the largest number: see `close`."""


def sinkhorn_case(seed: int, batch: int, length: int, candidates: int, updates: int = 3, spread: float = 2.0) -> Case:
    """An update moves v by a rounding of the costs and of two sums, and no error grows on the way."""
    cost = spread * drawn(seed, batch, length, candidates).abs()
    rounding = (1 + updates) * (4 * cost.max().item() + length + candidates + 8)
    return Case(
        lambda c: sinkhorn.sinkhorn(c, 0.0, updates)[0], lambda c: Dense.apply(c, 0.0, updates)[0], [cost], rounding
    )


def _planes(z: Tensor) -> Tensor:
    return torch.stack((z.real, z.imag))


def scan_case(seed: int, batch: int, length: int, channels: int, planes: bool = False) -> Case:
    """|A| < 1: a state is a sum of at most S products, each rounded S times."""
    A, u = (drawn(seed + n, batch, length, channels, dtype=COMPLEX) for n in (0, 1))
    inputs = [A / (1 + A.abs()), u, drawn(seed + 2, batch, channels, dtype=COMPLEX)]
    inputs = [_planes(each) for each in inputs] if planes else inputs
    return Case(scan.scan, SCANS["sequential"], inputs, 16 * (length + 8))


def _selected(x: Tensor, rate: Tensor, theta: Tensor, drive: Tensor, state: Tensor) -> Tensor:
    step = softplus(x)
    return SCANS["sequential"](torch.exp(-step * rate) * unit(step * theta), step * drive, state)


def selective_case(seed: int, batch: int, length: int, channels: int) -> Case:
    """An angle up to 30 is off by so many roundings, at every position. Sums run over rows and positions."""
    x, rate, theta = drawn(seed, batch, length, channels), drawn(seed + 1, channels).abs(), drawn(seed + 2, channels)
    drive, state = (
        drawn(seed + 3, batch, length, channels, dtype=COMPLEX),
        drawn(seed + 4, batch, channels, dtype=COMPLEX),
    )
    return Case(scan.selective_scan, _selected, [2 * x, rate, theta, drive, state], 64 * (length + 8) * (batch + 1))


def _turned(z: Tensor, logits: Tensor, U: Tensor, phase: Tensor) -> Tensor:
    blocks = z.unflatten(-1, (-1, 8)).transpose(0, 1)
    turn = unit(torch.sigmoid(logits).t().unsqueeze(-1) * phase.unsqueeze(1))
    return torch.bmm(torch.bmm(blocks, U.conj()) * turn, U.mT).transpose(0, 1).flatten(-2)


def unitary_case(seed: int, tokens: int, blocks: int) -> Case:
    z, logits = drawn(seed, tokens, 8 * blocks, dtype=COMPLEX), drawn(seed + 1, tokens, blocks)
    U, phase = drawn(seed + 2, blocks, 8, 8, dtype=COMPLEX), drawn(seed + 3, blocks, 8)
    return Case(unitary.unitary_gate, _turned, [z, logits, U, phase], 128 * (tokens + 8))


def _gate(c: Tensor, beta: Tensor) -> Tensor:
    return MagnitudeGate.forward(_Gate(beta), c)


class _Gate:
    """What the gate's reference level reads of its module."""

    def __init__(self, beta: Tensor) -> None:
        from sem_impl.layout import LAYOUTS

        self.beta, self.layout, self.fused = beta, LAYOUTS["complex64"], False


def taps_case(seed: int, batch: int, length: int, width: int) -> Case:
    shapes = ((batch, length, width), (batch, 3, width), (4, width))
    inputs = [drawn(seed + n, *shape, dtype=COMPLEX) for n, shape in enumerate(shapes)]

    def reference(z: Tensor, tail: Tensor, w: Tensor, beta: Tensor) -> Tensor:
        return _gate(Taps.apply(torch.cat((tail, z), 1), w.resolve_conj()), beta)

    return Case(taps.gated_taps, reference, [*inputs, drawn(seed + 3)], 64 * (batch * length * width + 8))


def rms_case(seed: int, tokens: int, width: int) -> Case:
    def reference(z: Tensor, gamma: Tensor) -> Tensor:
        return torch.view_as_complex(
            RootMeanSquare.apply(torch.view_as_real(z.resolve_conj()).flatten(-2), gamma).unflatten(-1, (-1, 2))
        )

    inputs = [drawn(seed, tokens, width, dtype=COMPLEX), drawn(seed + 1, width)]
    return Case(lambda z, gamma: rows.complex_rms(z, gamma, 1e-6), reference, inputs, 64 * (tokens + width + 8))


def gate_case(seed: int, tokens: int, width: int) -> Case:
    inputs = [drawn(seed, tokens, width, dtype=COMPLEX), drawn(seed + 1)]
    return Case(rows.magnitude_gate, _gate, inputs, 64 * (tokens * width + 8))


def direction_case(seed: int, tokens: int, width: int) -> Case:
    """A gradient is of the size of 1/|x|."""
    x = drawn(seed, tokens, width)
    x = x + x.sign()
    return Case(lambda x: rows.direction(x, 1e-12), lambda x: normalize(x, dim=-1, eps=1e-12), [x], 64 * (width + 8))


def kerr_case(seed: int, tokens: int, P: int) -> Case:
    inputs = [drawn(seed, tokens, P, dtype=COMPLEX), drawn(seed + 1, P)]
    return Case(
        cayley.kerr, lambda psi, kappa: Kerr.apply(psi.resolve_conj(), kappa, "eager"), inputs, 512 * (tokens + 8)
    )


def _step(step: Step) -> Callable[..., Tensor]:
    def reference(psi: Tensor, kappa: Tensor, weights: Tensor) -> Tensor:
        return Cayley.apply(Kerr.apply(psi.resolve_conj().contiguous(), kappa, "eager"), weights, step, None)

    return reference


def _field(seed: int, tokens: int, P: int) -> list[Tensor]:
    return [drawn(seed, tokens, P, dtype=COMPLEX), drawn(seed + 1, P), weights_of(P, seed)]


def chebyshev_case(seed: int, tokens: int, P: int, dt: float = 0.1) -> Case:
    """Both form the same polynomial of at most 60 products, the one by its roots, the other by its recurrence."""
    reference = _step(Step(dt / 2, "chebyshev", tolerance=1e-12, max_iterations=60))
    return Case(
        lambda *given: cayley.chebyshev(*given, dt / 2, 1e-12, 60),
        reference,
        _field(seed, tokens, P),
        4096 * (tokens + 8),
    )


def cocg_case(seed: int, tokens: int, P: int, dt: float = 0.1, preconditioner: str = "none") -> Case:
    """Both stop at a residual of 1e-12, in different updates: twice that, of rows of sqrt(2 P), at every entry."""
    reference = _step(Step(dt / 2, "cocg", "cached", preconditioner, tolerance=1e-12, max_iterations=200))
    jacobi = preconditioner == "block_jacobi"
    return Case(
        lambda *given: cayley.cocg(*given, dt / 2, jacobi, 1e-12, 200)[0],
        reference,
        _field(seed, tokens, P),
        4096 * (tokens + 8) + 8e-12 * P / torch.finfo(torch.float64).eps,
    )
