"""Heads: the equations, the initial scale, the gradients."""

import math

import pytest
import torch

from sem_impl.head import FLOOR, HEADS, Head, Scaled
from sem_impl.initial import Initial


def head(width=256, vocabulary=256, dtype=torch.float64, level="log_linear"):
    return Head(Initial(0, dtype), width, vocabulary, head=level, loss="materialised")


def states(*shape, seed=3):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def test_log_linear_logits_are_linear_in_the_direction():
    made, psi = head(), states(2, 5, 256)
    direction = psi / psi.norm(dim=-1, keepdim=True)
    weight = made.projection.weight.detach()
    with torch.no_grad():
        made.projection.bias.copy_(torch.linspace(-1, 1, 256))
    logits = math.sqrt(256) * (direction.real @ weight[..., 0].T + direction.imag @ weight[..., 1].T)
    assert torch.allclose(made(psi), logits + made.projection.bias, atol=1e-6)


def test_scaled_rows_have_both_derivatives_and_keep_what_came_out_alone():
    rows = torch.randn(3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(4))[:, ::2].requires_grad_()
    sigma = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Scaled.apply, (rows, sigma))
    assert torch.autograd.gradgradcheck(Scaled.apply, (rows, sigma))
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda each: kept.append(each.data_ptr()) or each, lambda each: each):
        scaled = Scaled.apply(rows, sigma)
    assert kept == [scaled.data_ptr(), sigma.data_ptr()]


def test_born_logits_are_the_logarithm_of_the_overlap_that_conjugates_w():
    made, psi = head(width=37, vocabulary=11, level="born_quadratic"), states(2, 5, 37)
    W = torch.view_as_complex(made.projection.weight.detach())
    for row, logits in zip(psi.flatten(0, 1), made(psi).detach().flatten(0, 1), strict=True):
        for w, logit in zip(W, logits, strict=True):
            overlap = sum(a.conj() * b for a, b in zip(w, row / row.norm(), strict=True))
            # float64 sums of 37 terms; at worst 1000 d (module docstring): 1000 * 37 * 1.1e-16 * |w| < 1e-10
            assert float(logit) == pytest.approx(math.log(abs(complex(overlap)) ** 2 + 1e-6), abs=1e-10)


def test_the_two_rows_of_a_token_give_both_parts_of_its_overlaps():
    made, psi = head(width=5, vocabulary=3, level="born_quadratic"), states(4, 5)
    W = torch.view_as_complex(made.projection.weight.detach())
    rows = made.projection.rows(torch.view_as_real(psi).flatten(-2))
    re, im = rows @ made.projection.weight.detach().flatten(1).T
    assert torch.allclose(torch.complex(re, im), psi @ W.mH, atol=1e-13)


@pytest.mark.parametrize("level", HEADS)
def test_only_the_direction_counts(level):
    made, psi = head(level=level), states(2, 5, 256)
    assert torch.allclose(made(psi), made(3.7 * psi), atol=1e-10)


def test_the_born_head_does_not_see_a_common_phase_and_the_log_linear_one_does():
    psi = states(1, 5, 256)
    turned = psi * complex(math.cos(1), math.sin(1))
    born, linear = head(level="born_quadratic"), head()
    assert torch.allclose(born(psi), born(turned), atol=1e-10)
    assert (linear(psi) - linear(turned)).abs().max() > 0.1


@pytest.mark.parametrize("level", HEADS)
def test_logits_with_and_without_autograd_are_the_same_and_leave_the_input_alone(level):
    made, psi = head(width=16, vocabulary=24, level=level), states(2, 3, 16)
    before = psi.clone()
    with torch.no_grad():
        quiet = made(psi)
    assert torch.equal(psi, before)
    assert torch.allclose(made(psi), quiet, rtol=1e-14, atol=1e-14)


def test_initial_spreads():
    """log_linear: 256 x 256 logits of deviation 0.5, nearly independent: relative deviation of the estimate about
    1/362. born_quadratic: |<w, psi>|^2 is exponential with mean 1; its logarithm has deviation pi/sqrt(6) and kurtosis
    5.4: relative deviation of the estimate sqrt(4.4/4)/256 = 0.4 %."""
    psi = states(1, 256, 256)
    assert float(head()(psi).std()) == pytest.approx(0.5, rel=0.05)
    born = head(level="born_quadratic")(psi)
    assert float(born.std()) == pytest.approx(math.pi / math.sqrt(6), rel=0.02)
    assert float(born.exp().mean()) == pytest.approx(1 + FLOOR, rel=0.02)


@pytest.mark.parametrize("level", HEADS)
def test_loss_is_the_mean_cross_entropy(level):
    made, psi = head(level=level), states(2, 5, 256)
    targets = torch.arange(10).view(2, 5)
    logits = made(psi)
    expected = (torch.logsumexp(logits, -1) - logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)).mean()
    assert float(made(psi, targets)) == pytest.approx(float(expected), rel=1e-12)


@pytest.mark.parametrize("level", HEADS)
def test_gradcheck_of_head_and_loss(level):
    made = head(width=5, vocabulary=7, level=level)
    names = [name for name, _ in made.named_parameters()]
    targets = torch.tensor([[1, 6, 0]])

    def loss(psi, *parameters):
        return torch.func.functional_call(made, dict(zip(names, parameters, strict=True)), (psi, targets))

    parameters = tuple(p.detach().clone().requires_grad_() for p in made.parameters())
    assert torch.autograd.gradcheck(loss, (states(1, 3, 5).requires_grad_(), *parameters))


def test_born_gradient_where_the_amplitude_is_as_small_as_the_floor():
    """There the two terms under the logarithm weigh alike: a gradient without the floor would be twice as large."""
    made = head(width=2, vocabulary=3, level="born_quadratic")
    w = torch.view_as_complex(made.projection.weight.detach())[1]
    across = torch.stack((-w[1].conj(), w[0].conj()))
    psi = (across / across.norm() + math.sqrt(FLOOR) * w / w.norm() ** 2).view(1, 1, 2).requires_grad_()
    made(psi)[0, 0, 1].backward()
    found, psi.grad = psi.grad.clone(), None
    overlap = (w.conj() * psi / psi.norm()).sum()
    assert float(overlap.abs().detach()) == pytest.approx(math.sqrt(FLOOR), rel=1e-3)
    torch.log(overlap.abs().square() + FLOOR).backward()
    assert torch.allclose(found, psi.grad, rtol=1e-9)


def test_a_zero_state_gives_the_bias_or_the_floor_and_no_nan():
    nothing = torch.zeros(1, 1, 256, dtype=torch.complex128)
    made = head()
    assert torch.equal(made(nothing), made.projection.bias.expand(1, 1, 256))
    born = head(level="born_quadratic")(nothing)
    assert torch.allclose(born, torch.full_like(born, math.log(FLOOR)))
