"""Readings of the mixer on psi [B, S, D], the encoder's output. Mean squares are over everything, psi^l is the stream
after l layers.

    (1) variance_after_first, _half, _last   mean |psi^l|^2 / mean |psi^0|^2 for l = 1, L/2 (at least 1), L
    (2) variance_growth      e^b, b the slope of the least squares line through ln mean |psi^l|^2, l = 0..L
    (3) branch_alignment     Re <psi^l, d> / (|psi^l| |d|), d = psi^(l+1) - psi^l; mean over layers. 0 where branches
                             are independent of the stream, as the rule 1/sqrt(L) assumes
        branch_variance_first, _last   mean |branch|^2 of the first and the last layer, before it is scaled; 1 at any
                             depth is the other half of that rule
    (4) phase_error          mean over entries of |angle(norm(z) conj z)|, degrees, z = psi^0 at the first layer's norm
        phase_error_aligned  the same for z = |psi^0|: rows as far from circular as rows can be
    (5) memory_span          1 / mean(-ln |A|) over tokens, states and layers: tokens
        log_decay            ln mean(-ln |A|), the documents' log_A_mag
    (6) retention_third, _half   a state carried into the text has the energy e_t = prod_(j <= t) |A_j|^2 after t
                             tokens: sum_(t < d) e_t / sum_t e_t for d = S/3, S/2, the text repeated without end; mean
                             over states and layers.  1 - e^(-2d/tau) for a constant |A| = e^(-1/tau)
        amplitude_third, _half   the same with sqrt(e_t): 1 - e^(-d/tau)
    (7) state_energy         mean |h|^2 after the last token, over states and layers
        state_growth         (7) over the same after half of the text; one position each, so it moves with the text
    (8) response_later       the first token's row turned by 90 degrees, the change of the mixer's output squared: its
                             share on later tokens
        response_lag         its mean distance from the first token: tokens
"""

import math
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from sem_impl.mixer import Mixer

DEGREES = 180 / math.pi


def read(mixer: Mixer, psi: Tensor) -> tuple[dict[str, float], Tensor]:
    """Readings, and the mixer's output."""
    stream, rates, branches, halfway, final = [psi], [], [], [], []
    for layer in mixer.layers:
        entering = stream[-1]
        with layer.state_space.register_forward_hook(partial(noted, layer, rates, branches)):
            after, carried = layer(entering)
        _, earlier = layer(entering[:, : (psi.shape[1] + 1) // 2])
        stream.append(after)
        halfway.append(mean_square(earlier.state))
        final.append(mean_square(carried.state))
    norm = mixer.layers[0].norm
    readings = {
        **variances([mean_square(each) for each in stream]),
        "branch_alignment": mean([alignment(before, after) for before, after in pairwise(stream)]),
        "branch_variance_first": branches[0],
        "branch_variance_last": branches[-1],
        "phase_error": phase_error(norm, psi),
        "phase_error_aligned": phase_error(norm, torch.complex(psi.abs(), torch.zeros_like(psi.real))),
        **memory(rates),
        "state_energy": mean(final),
        "state_growth": mean(final) / mean(halfway),
        **response(mixer, psi, stream[-1]),
    }
    return readings, stream[-1]


def noted(
    layer: nn.Module,
    rates: list[Tensor],
    branches: list[float],
    space: nn.Module,
    given: Sequence[Tensor],
    made: Sequence[Tensor],
) -> None:
    """The branch is formed here, for a layer may never have it by itself."""
    rates.append(rate(space, given[0]))
    branches.append(mean_square(linear(layer.layout.leave(made[0]), torch.view_as_complex(layer.output.weight))))


def rate(space: nn.Module, y: Tensor) -> Tensor:
    """-ln |A| for every token and state, [B, S, D]."""
    return space.step(y) * softplus(space.decay)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def mean_square(z: Tensor) -> float:
    return float(torch.view_as_real(z).square().sum(-1).mean(dtype=torch.float64))


def variances(energies: Sequence[float]) -> dict[str, float]:
    """Readings (1) and (2) of mean squares before the first layer and after each."""
    layers = len(energies) - 1
    centred = [layer - layers / 2 for layer in range(layers + 1)]
    slope = sum(x * math.log(e) for x, e in zip(centred, energies, strict=True)) / sum(x * x for x in centred)
    return {
        "variance_after_first": energies[1] / energies[0],
        "variance_after_half": energies[max(1, layers // 2)] / energies[0],
        "variance_after_last": energies[-1] / energies[0],
        "variance_growth": math.exp(slope),
    }


def alignment(before: Tensor, after: Tensor) -> float:
    branch = after - before
    return float(torch.linalg.vecdot(before.flatten(), branch.flatten()).real / (before.norm() * branch.norm()))


def phase_error(norm: nn.Module, z: Tensor) -> float:
    return DEGREES * float((norm(z) * z.conj()).angle().abs().mean(dtype=torch.float64))


def memory(rates: Sequence[Tensor]) -> dict[str, float]:
    """Readings (5) and (6) of each layer's -ln |A|, [B, S, D]."""
    length = rates[0].shape[1]
    decay = mean([float(each.mean(dtype=torch.float64)) for each in rates])
    windows = {"third": length / 3, "half": length / 2}
    shares = {
        f"{kind}_{name}": mean([share(power * each, window) for each in rates])
        for kind, power in (("retention", 2), ("amplitude", 1))
        for name, window in windows.items()
    }
    return {"memory_span": 1 / decay, "log_decay": math.log(decay), **shares}


def share(rates: Tensor, window: float) -> float:
    """Of what decays by e^(-rates), [B, S, D], over and over: the part of its sum over tokens within the window."""
    passed = rates.double().cumsum(1)
    left = torch.exp(rates - passed)
    counted = (window - torch.arange(rates.shape[1], dtype=left.dtype, device=left.device)).clamp(0, 1)
    endless = left.sum(1) / -torch.expm1(-passed[:, -1])
    return float((torch.einsum("s,bsd->bd", counted, left) / endless).mean())


def response(mixer: Mixer, psi: Tensor, output: Tensor) -> dict[str, float]:
    turned = torch.cat([1j * psi[:, :1], psi[:, 1:]], 1)
    change = (mixer(turned)[0] - output).abs().double().square().sum((0, 2))
    lags = torch.arange(len(change), dtype=change.dtype, device=change.device)
    return {
        "response_later": float(change[1:].sum() / change.sum()),
        "response_lag": float(lags @ change / change.sum()),
    }
