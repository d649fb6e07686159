"""The four residual scales against the printed formulas, the variance they lead to, and the readings of it."""

import math
from dataclasses import replace
from decimal import Decimal, localcontext

import pytest
import torch

from sem_impl.initial import Initial
from sem_impl.mixer import Mixer
from sem_impl.probing.mixer import alignment, mean_square, read, variances
from sem_impl.residual import RESIDUALS
from sem_impl.sizes import SIZES, Dimensions

EXACT = Initial(0, torch.float64)
ROUNDOFF = 2.0**-24
TINY = Dimensions.of({**SIZES["tiny"], "propagator_layers": 1})
LEVELS = {"norm": "complex_rms", "horizon": "third", "scan": "chunked", "layout": "complex64"}


def rows(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def made(name, layer, layers, seq_len, width=4, dtype=torch.float64):
    return RESIDUALS[name](Initial(0, dtype), width, layer=layer, layers=layers, seq_len=seq_len)


def scale_of(residual, width=4):
    """What a branch of ones adds to a stream of zeros."""
    zeros = torch.zeros(width, dtype=torch.complex128)
    return residual(zeros, zeros + 1).detach().real


def printed(name, layer, layers, seq_len, log_tau=0.0):
    """The formulas as they are printed, in 60 digits."""
    with localcontext() as context:
        context.prec = 60
        L, remaining, S = Decimal(layers), Decimal(layers - layer), Decimal(seq_len)
        A = (Decimal(-3) / S).exp()
        if name == "inverse_sqrt_depth":
            return float(1 / L.sqrt())
        if name == "theorem":
            return float((1 - A**2).sqrt() * (1 - A ** (2 * remaining)) / (1 - A ** (2 * L)))
        return float((1 - (A ** (2 * remaining)) ** (-Decimal(log_tau)).exp()).sqrt())


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("inverse_sqrt_depth", 0.353553, 0.353553),
        ("learned_horizon", 0.299149, 0.107936),
        ("horizon_depth", 0.299149, 0.107936),
        ("theorem", 0.107936, 0.014052),
    ],
)
def test_by_hand_at_eight_layers_and_512_tokens(name, first, last):
    # 6/512 = 0.011719: 1 - e^-0.011719 = 0.011650 and, times 8, 1 - e^-0.09375 = 0.089490; roots 0.107936 and 0.299149
    assert [float(scale_of(made(name, layer, 8, 512))[0]) for layer in (0, 7)] == pytest.approx([first, last], abs=1e-6)


@pytest.mark.parametrize(("layers", "seq_len"), [(1, 1), (3, 2), (8, 512), (5, 65536)])
@pytest.mark.parametrize("name", RESIDUALS)
def test_is_the_printed_formula(name, layers, seq_len):
    for layer in range(layers):
        expected = printed(name, layer, layers, seq_len)
        rel = 1e-14 if name != "inverse_sqrt_depth" else ROUNDOFF  # an initial parameter is rounded to float32
        assert scale_of(made(name, layer, layers, seq_len)).tolist() == pytest.approx([expected] * 4, rel=rel)


@pytest.mark.parametrize("log_tau", [-2.0, 0.0, 0.5, 3.0])
def test_learned_horizon_in_single_precision(log_tau):
    """exp, product, expm1 and root, each within two units in the last place; 1 - exp would lose four digits here."""
    residual = made("learned_horizon", 4, 5, 65536, dtype=torch.float32)
    with torch.no_grad():
        residual.log_tau.fill_(log_tau)
    found = residual(torch.zeros(4, dtype=torch.complex64), torch.ones(4, dtype=torch.complex64)).real
    assert found.tolist() == pytest.approx([printed("learned_horizon", 4, 5, 65536, log_tau)] * 4, rel=16 * ROUNDOFF)


def test_a_longer_learned_horizon_makes_its_own_entries_smaller():
    residual = made("learned_horizon", 2, 8, 512)
    with torch.no_grad():
        residual.log_tau.copy_(torch.tensor([-1.0, 0.0, 1.0, 2.0]))
    scales = scale_of(residual).tolist()
    assert scales == pytest.approx([printed("learned_horizon", 2, 8, 512, t) for t in (-1, 0, 1, 2)], rel=1e-13)
    assert scales == sorted(scales, reverse=True)


def test_what_can_be_learned():
    shapes = {name: [tuple(p.shape) for p in made(name, 0, 2, 32).parameters()] for name in RESIDUALS}
    assert shapes == {"inverse_sqrt_depth": [()], "learned_horizon": [(4,)], "horizon_depth": [], "theorem": []}


@pytest.mark.parametrize("name", RESIDUALS)
def test_the_stream_passes_unscaled_and_the_branch_with_its_phase(name):
    residual = made(name, 1, 3, 32)
    psi, branch = rows(2, 3, 4), rows(2, 3, 4, seed=1)
    expected = psi + printed(name, 1, 3, 32) * branch
    assert torch.allclose(residual(psi, branch), expected, rtol=ROUNDOFF, atol=ROUNDOFF)


@pytest.mark.parametrize("name", RESIDUALS)
def test_gradients(name):
    residual = made(name, 1, 3, 32)
    psi, branch = rows(2, 3, 4).requires_grad_(), rows(2, 3, 4, seed=1).requires_grad_()
    names = [key for key, _ in residual.named_parameters()]
    generator = torch.Generator().manual_seed(2)
    parameters = tuple(
        (p.detach() + torch.randn(p.shape, dtype=p.dtype, generator=generator)).requires_grad_()
        for p in residual.parameters()
    )

    def called(psi, branch, *given):
        return torch.func.functional_call(residual, dict(zip(names, given, strict=True)), (psi, branch))

    assert torch.autograd.gradcheck(called, (psi, branch, *parameters))


def test_learned_horizon_is_horizon_depth_until_the_first_update():
    """The update moves every parameter of both mixers alike, but for log_tau, which only one of them has."""
    psi = rows(2, 32, 64)
    mixers = [
        Mixer(EXACT.scope("mixer"), TINY, residual=name, **LEVELS) for name in ("learned_horizon", "horizon_depth")
    ]

    def apart():
        learned, constant = (mixer(psi)[0].detach() for mixer in mixers)
        return float((learned - constant).norm() / constant.norm())

    assert apart() < 1e-14
    for mixer in mixers:
        mixer(psi)[0].abs().square().mean().backward()
        torch.optim.SGD(mixer.parameters(), lr=0.1).step()
    assert apart() > 1e-6


def through(name, layers, seq_len):
    """mean |psi|^2 after layers of independent branches of variance 1 on a stream of variance 1."""
    psi = rows(64, 32, 32)
    for layer in range(layers):
        psi = made(name, layer, layers, seq_len, 32)(psi, rows(64, 32, 32, seed=1 + layer)).detach()
    return mean_square(psi)


@pytest.mark.parametrize("layers", [1, 4, 16])
@pytest.mark.parametrize("name", RESIDUALS)
def test_independent_branches_add_their_squared_scales(name, layers):
    """|psi|^2 is exponential, so the mean of n = 65536 of them deviates by its 1/sqrt(n) = 0.4 %; five deviations."""
    expected = 1 + sum(printed(name, layer, layers, 32) ** 2 for layer in range(layers))
    assert through(name, layers, 32) == pytest.approx(expected, rel=5 / 256)


@pytest.mark.parametrize("layers", [2, 8])
def test_sums_of_squared_scales_are_what_the_docstring_says(layers):
    """Where L << S, to the next order, 3 (L - l) / S at most; and where L >> S."""
    S = 4096

    def total(name, seq_len=S):
        return sum(float(scale_of(made(name, layer, layers, seq_len))[0]) ** 2 for layer in range(layers))

    assert total("inverse_sqrt_depth") == pytest.approx(1, rel=4 * ROUNDOFF)
    assert total("horizon_depth") == pytest.approx(3 * layers * (layers + 1) / S, rel=3 * layers / S)
    assert total("theorem") == pytest.approx((layers + 1) * (2 * layers + 1) / (S * layers), rel=6 * layers / S)
    assert total("learned_horizon", 1) == pytest.approx(layers, rel=math.exp(-6))


@pytest.mark.parametrize("name", RESIDUALS)
def test_variance_of_a_real_mixer_is_that_of_independent_branches(name):
    """Each layer's own branch is read as it leaves the output map. A cross term 2 scale Re <psi, branch> / n over n
    entries deviates by scale sqrt(2 v mean|psi|^2 / n); five deviations of the sum of them."""
    layers, width, length = 6, 64, 48
    sizes = replace(TINY, width=width, seq_len=length, layers=layers)
    mixer, powers = Mixer(EXACT.scope("mixer"), sizes, residual=name, **LEVELS), []
    for layer in mixer.layers:
        layer.output.register_forward_hook(lambda _, __, branch: powers.append(mean_square(branch)))
    psi = rows(8, length, width)
    psi = psi / psi.abs().square().mean().sqrt()
    with torch.no_grad():
        readings, out = read(mixer, psi)
        assert torch.equal(out, mixer(psi)[0])
    # three calls: a layer's whole text and half of it in turn, then all layers with the first token turned
    powers = powers[0 : 2 * layers : 2]
    assert [readings["branch_variance_first"], readings["branch_variance_last"]] == [powers[0], powers[-1]]
    added = [printed(name, layer, layers, length) ** 2 * v for layer, v in enumerate(powers)]
    deviation = math.sqrt(sum(2 * each for each in added) / psi.numel() * (1 + sum(added)))
    assert readings["variance_after_first"] == pytest.approx(1 + added[0], abs=5 * deviation)
    assert readings["variance_after_half"] == pytest.approx(1 + sum(added[:3]), abs=5 * deviation)
    assert readings["variance_after_last"] == pytest.approx(1 + sum(added), abs=5 * deviation)
    assert abs(readings["branch_alignment"]) < 5 / math.sqrt(2 * psi.numel() * layers)


def test_readings_of_variance():
    found = variances([2.0, 3.0, 4.0, 5.0, 12.0])
    assert found["variance_after_first"] == 1.5
    assert found["variance_after_half"] == 2.0
    assert found["variance_after_last"] == 6.0
    assert variances([5 * 1.25**layer for layer in range(9)])["variance_growth"] == pytest.approx(1.25, rel=1e-12)
    # ln 1, ln 1, ln e^2: slope 1
    assert variances([1.0, 1.0, math.exp(2)])["variance_growth"] == pytest.approx(math.e, rel=1e-12)
    assert variances([1.0, 3.0])["variance_after_half"] == 3.0


def test_mean_square_counts_both_parts():
    assert mean_square(torch.tensor([3 + 4j, 0, 1j, 1])) == pytest.approx(27 / 4)


def test_alignment_is_a_cosine():
    psi = torch.tensor([[3.0 + 0j, 4j]])
    assert alignment(psi, 3 * psi) == pytest.approx(1)
    assert alignment(psi, 0.5 * psi) == pytest.approx(-1)
    assert alignment(psi, psi * (1 + 1j)) == pytest.approx(0, abs=1e-7)
    assert alignment(psi, psi * (1 + 1 + 1j)) == pytest.approx(math.sqrt(0.5))
