"""Head and loss: the equation, the initial scale, the gradients."""

import math

import pytest
import torch

from sem_impl.head import Head
from sem_impl.initial import Initial


def head(width=256, vocabulary=256, dtype=torch.float64):
    return Head(Initial(0, dtype), width, vocabulary, head="log_linear", loss="materialised")


def states(*shape):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(3))


def test_logits_are_log_linear_in_the_direction():
    made, psi = head(), states(2, 5, 256)
    direction = psi / psi.norm(dim=-1, keepdim=True)
    weight = made.projection.weight.detach()
    with torch.no_grad():
        made.projection.bias.copy_(torch.linspace(-1, 1, 256))
    logits = math.sqrt(256) * (direction.real @ weight[..., 0].T + direction.imag @ weight[..., 1].T)
    assert torch.allclose(made(psi), logits + made.projection.bias, atol=1e-6)
    assert torch.allclose(made(psi), made(3.7 * psi), atol=1e-12)


def test_initial_logits_have_a_spread_of_one_half():
    # 256 x 256 logits of deviation 0.5, nearly independent: relative deviation of the estimate about 1/362
    assert float(head()(states(1, 256, 256)).std()) == pytest.approx(0.5, rel=0.05)


def test_loss_is_the_mean_cross_entropy():
    made, psi = head(), states(2, 5, 256)
    targets = torch.arange(10).view(2, 5)
    logits = made(psi)
    expected = (torch.logsumexp(logits, -1) - logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)).mean()
    assert float(made(psi, targets)) == pytest.approx(float(expected), rel=1e-12)


def test_gradcheck_of_head_and_loss():
    made = head(width=5, vocabulary=7)
    names = [name for name, _ in made.named_parameters()]
    targets = torch.tensor([[1, 6, 0]])

    def loss(psi, *parameters):
        return torch.func.functional_call(made, dict(zip(names, parameters, strict=True)), (psi, targets))

    parameters = tuple(p.detach().clone().requires_grad_() for p in made.parameters())
    assert torch.autograd.gradcheck(loss, (states(1, 3, 5).requires_grad_(), *parameters))


def test_a_zero_state_gives_the_bias_and_no_nan():
    made = head()
    logits = made(torch.zeros(1, 1, 256, dtype=torch.complex128))
    assert torch.equal(logits, made.projection.bias.expand(1, 1, 256))
