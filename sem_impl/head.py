"""psi [B, S, P] complex -> logits [B, S, V] float, or the loss of targets [B, S]. Source: P0 issue 4.

    (1) psi <- psi / |psi|_2 per token
    (2) log_linear: logits = e^sigma (W_r Re psi + W_i Im psi) + b,  W_r, W_i [V, P] ~ N(0, 0.25/P), b = 0, sigma a
        learned scalar, initially (1/2) ln P: without it logits of a unit vector have a spread of 0.02

W_r and W_i are stored interleaved [V, P, 2], so (2) is one real matrix product with 2P columns, without copying either
factor; e^sigma multiplies the small one.

loss: `materialised` mean cross-entropy over all tokens, from the whole of the logits.
"""

import math

from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear, normalize

from sem_impl.initial import Initial
from sem_impl.linear import planes

SMALLEST_NORM = 1e-12


class LogLinear(nn.Module):
    def __init__(self, initial: Initial, width: int, vocabulary: int) -> None:
        super().__init__()
        self.weight = initial.real("weight", (vocabulary, width, 2), deviation=0.5 * width**-0.5)
        self.bias = initial.real("bias", (vocabulary,))
        self.sigma = initial.real("sigma", (), mean=0.5 * math.log(width))

    def forward(self, direction: Tensor) -> Tensor:
        """direction: real [.., 2P], of norm 1."""
        return linear(direction * self.sigma.exp(), self.weight.flatten(1), self.bias)


def materialised(head: nn.Module, direction: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(head(direction).flatten(0, -2), targets.flatten())


HEADS = {"log_linear": LogLinear}
LOSSES = {"materialised": materialised}


class Head(nn.Module):
    """Logits without targets, the loss with them: never both, so that no level of `loss` must hold the logits."""

    def __init__(self, initial: Initial, width: int, vocabulary: int, *, head: str, loss: str) -> None:
        super().__init__()
        self.projection = HEADS[head](initial.scope("projection"), width, vocabulary)
        self.loss = LOSSES[loss]

    def forward(self, psi: Tensor, targets: Tensor | None = None) -> Tensor:
        direction = normalize(planes(psi), dim=-1, eps=SMALLEST_NORM)
        return self.projection(direction) if targets is None else self.loss(self.projection, direction, targets)
