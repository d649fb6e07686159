"""Mean cross-entropy over all tokens, from real rows of norm 1 [B, S, 2P] and targets [B, S].
Source: topology report 2.1.

    (1) L = (1/n) sum_t (ln sum_v e^(l_tv) - l_(t, target)),  n = B S,  l = logits(rows W^T + b) (see `head`)
    (2) dL/dl_tv = (softmax(l_t)_v - [v = target]) / n, and with G = dL/d(rows W^T), the head's adjoint of it:
        dL/drows = G W,  dL/dW = G^T rows,  dL/db = sum_t G

materialised  all logits at once. A training step holds up to three tensors of their size: logits, their log-softmax,
              and its gradient.
chunked       blocks of the vocabulary, of about four million logits each, as W rows^T: tokens adjoin. Blocks of
              tokens would be small matrices against all of W, whose products run at a third to two thirds of the rate.
              A running maximum and sum (Milakov and Gimelshein 2018, arXiv 1805.02867) take every block in as it comes.
              The gradients (2) are formed in the forward pass: recomputing blocks in the backward pass would cost a
              third more products. They need rows W^T once more when all of (1) is known. It waits where dL/dW is
              going to be: [V, c] at the end of memory for [V, 2P], which block after block fills from the beginning;
              c = n columns of rows^T, 2n with two rows a token. A block's products become its gradient G where they
              lie, as long as its dL/dW ends before they begin, which with c <= 2P holds for a share 1 - c/2P of the
              words that are left, each time; the last few move to scratch memory of a twentieth of the logits. Where
              c > 2P, or W wants no gradient, tokens come in groups whose products have memory of their own, a tenth
              of what the logits would.
              Kept for the backward pass are dL/drows and dL/dW, which it has to make anyway; it only multiplies them by
              the gradient of L. In a measurement the head's time moves from its backward to its forward stage: compare
              the two together, or the call. What is not a product, a native kernel does (`kernels.native.loss`), on
              other devices and without a compiler torch's own operators.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy

from sem_impl.fresh import empty_like
from sem_impl.kernels.native import loss as native
from sem_impl.kernels.native import usable

ENTRIES = 1 << 22
"""Products of a block, at most, but for one word's: enough words for products at full rate."""
COLUMNS = 4096
"""Of rows^T in one block: with more, a block would have too few words for a product at full rate."""
SHARE = 10
"""Where products need memory of their own, those of a group of tokens take one SHARE-th of what all logits would, or a
quarter of ENTRIES; scratch memory takes half as much."""


class Amplitudes(Protocol):
    """What a head does with rows W^T + b."""

    floor: float | None
    """Logits are ln(re^2 + im^2 + floor) of an amplitude [2, .., V]; None: the amplitude itself, [.., V]."""

    def logits(self, amplitude: Tensor, *, keep: bool) -> Tensor: ...
    def adjoint(self, amplitude: Tensor, g: Tensor) -> Tensor: ...


class Softmax(Protocol):
    """Of blocks T [words, tokens] or, with the floor of a head, [words, 2 tokens]; `first`: a block's first word."""

    copies: int
    """Blocks of memory that the work on one takes."""

    def begin(self, like: Tensor, tokens: int) -> Tensor:
        """state [4, tokens]: the largest logit, the sum of exponentials in two parts, the target's logit."""

    def sums(self, T: Tensor, b: Tensor | None, targets: Tensor, first: int, state: Tensor) -> None: ...
    def gradient_(
        self,
        T: Tensor,
        b: Tensor | None,
        targets: Tensor,
        first: int,
        state: Tensor,
        scale: float,
        of_b: Tensor | None,
    ) -> None:
        """T becomes its gradient, and of_b [words] gains its sums over tokens."""


class Native:
    copies = 1

    def __init__(self, head: Amplitudes) -> None:
        self.floor = head.floor

    def begin(self, like: Tensor, tokens: int) -> Tensor:
        return native.begin(like, tokens, self.floor)

    def sums(self, T: Tensor, b: Tensor | None, targets: Tensor, first: int, state: Tensor) -> None:
        native.softmax_sums(T, b, targets, first, self.floor, state)

    def gradient_(
        self,
        T: Tensor,
        b: Tensor | None,
        targets: Tensor,
        first: int,
        state: Tensor,
        scale: float,
        of_b: Tensor | None,
    ) -> None:
        native.softmax_gradient_(T, b, targets, first, self.floor, state, scale, of_b)


class Eager:
    """The same in torch's operators."""

    copies = 4

    def __init__(self, head: Amplitudes) -> None:
        self.head = head

    def begin(self, like: Tensor, tokens: int) -> Tensor:
        return native.begin(like, tokens, None)

    def amplitude(self, T: Tensor, tokens: int) -> Tensor:
        return T if self.head.floor is None else T.unflatten(1, (2, tokens)).movedim(1, 0)

    def sums(self, T: Tensor, b: Tensor | None, targets: Tensor, first: int, state: Tensor) -> None:
        logits = self.head.logits(self.amplitude(biased(T, b), len(targets)), keep=True)
        top, total, _, chosen = state
        high = torch.maximum(top, logits.amax(0))
        shift = torch.where(high == -torch.inf, 0, high)
        total.mul_(top.sub(shift).exp_()).add_(logits.sub(shift).exp_().sum(0))
        top.copy_(high)
        own = targets - first
        found = logits.gather(0, own.clamp(0, len(T) - 1).unsqueeze(0)).squeeze(0)
        chosen.copy_(torch.where((own >= 0) & (own < len(T)), found, chosen))

    def gradient_(
        self,
        T: Tensor,
        b: Tensor | None,
        targets: Tensor,
        first: int,
        state: Tensor,
        scale: float,
        of_b: Tensor | None,
    ) -> None:
        amplitude = self.amplitude(biased(T, b), len(targets))
        logits = self.head.logits(amplitude, keep=True)
        g = logits.sub(state[0]).exp_().mul_(scale / state[1])
        own = targets - first
        inside = ((own >= 0) & (own < len(T))).to(g.dtype).mul_(-scale)
        g.scatter_add_(0, own.clamp(0, len(T) - 1).unsqueeze(0), inside.unsqueeze(0))
        self.amplitude(T, len(targets)).copy_(self.head.adjoint(amplitude, g))
        if of_b is not None:
            of_b += T.sum(1)


def biased(T: Tensor, b: Tensor | None) -> Tensor:
    return T if b is None else T + b.unsqueeze(1)


def materialised(projection: nn.Module, direction: Tensor, targets: Tensor) -> Tensor:
    return cross_entropy(projection(direction).flatten(0, -2), targets.flatten())


@dataclass
class Group:
    """Tokens that meet all words, one block of words after the other."""

    R: Tensor
    """[tokens, 2P]; of a head with a floor all first rows, then all second ones."""
    targets: Tensor
    W: Tensor
    b: Tensor | None
    by: Softmax
    T: Tensor | None
    """[V, len(R)]: where all products wait for their gradient. None where none is asked for."""
    apart: bool
    """T is no part of W's gradient."""

    def __post_init__(self) -> None:
        self.most = max(1, ENTRIES // (self.by.copies * max(1, len(self.R))))
        self.fewest = max(1, self.most // 32, min(self.most, len(self.W) // (2 * SHARE)))
        self.state = self.by.begin(self.R, len(self.targets))

    def loss(self) -> Tensor:
        """Summed over tokens."""
        scratch = None if self.T is not None else self.R.new_empty(self.fewest, len(self.R))
        for words in pieces(len(self.W), self.most if scratch is None else self.fewest):
            products = self.T[words] if scratch is None else scratch[: words.stop - words.start]
            torch.mm(self.W[words], self.R.t(), out=products)
            self.by.sums(products, of(self.b, words), self.targets, words.start, self.state)
        top, total, lost, chosen = self.state
        return (top - chosen + (total + lost).log_()).sum()

    def waiting(self) -> Iterator[tuple[slice, Tensor]]:
        """Words and their products where W's gradient of the same words does not reach: as they lie, as long as those
        are enough words at a time, then in scratch memory."""
        (V, n), columns = self.T.shape, self.W.shape[1]
        first = 0
        while left := V - first:
            clear = left if self.apart else left * (columns - n) // columns
            if clear < min(self.fewest, left):
                break
            words = slice(first, first + min(self.most, clear))
            yield words, self.T[words]
            first = words.stop
        scratch = self.T.new_empty(min(self.fewest, V - first), n)
        for words in pieces(V, self.fewest, first):
            yield words, scratch[: words.stop - words.start].copy_(self.T[words])

    def gradients(
        self, scale: float, of_R: Tensor | None, of_W: Tensor | None, of_b: Tensor | None, *, more: bool
    ) -> None:
        """Equation (2), times n scale. Of W and b it is this group's share, added where there were `more` before."""
        for words, G in self.waiting():
            self.by.gradient_(G, of(self.b, words), self.targets, words.start, self.state, scale, of(of_b, words))
            if of_R is not None:
                of_R.addmm_(G.t(), self.W[words], beta=int(words.start > 0))
            if of_W is not None:
                of_W[words].addmm_(G, self.R, beta=int(more))


def pieces(words: int, most: int, first: int = 0) -> Iterator[slice]:
    for start in range(first, words, most):
        yield slice(start, min(start + most, words))


def of(b: Tensor | None, words: slice) -> Tensor | None:
    return None if b is None else b[words]


class Chunked(torch.autograd.Function):
    """rows [.., n, 2P], W [V, 2P], b [V] or None, targets [n] -> L. `head` maps rows W^T + b to logits."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, W: Tensor, b: Tensor | None, targets: Tensor, head: "Amplitudes") -> Tensor:
        within = ((targets >= 0) & (targets < len(W))).all()
        torch._assert_async(within, f"loss: a target outside of the vocabulary of {len(W)} words")
        by: Softmax = Native(head) if usable("loss", rows, W) else Eager(head)
        wanted, n = ctx.needs_input_grad[:3], len(targets)
        of_W, of_b = empty_like(W) if wanted[1] else None, torch.zeros_like(b) if wanted[2] else None
        of_rows = torch.empty_like(rows, memory_format=torch.contiguous_format) if wanted[0] else None
        loss = rows.new_zeros(())
        together, memory, apart = grouped(rows, W, of_W, wanted=any(wanted))
        for first in range(0, max(1, n), together):
            tokens = slice(first, first + together)
            R = rows[..., tokens, :].flatten(0, -2)
            T = None if memory is None else memory[: len(W) * len(R)].view(len(W), len(R))
            group = Group(R, targets[tokens], W, b, by, T, apart)
            loss += group.loss()
            if any(wanted):
                place = None if of_rows is None else of_rows[..., tokens, :]
                of_R = None if place is None else place.flatten(0, -2)
                group.gradients(1 / max(1, n), of_R, of_W, of_b, more=first > 0)
                if place is not None:
                    place.copy_(of_R.view(place.shape))  # of two rows a token and some of the tokens, of_R is a copy
        ctx.save_for_backward(of_rows, of_W, of_b)
        return loss.div_(n)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        """In place: the gradients are as large as W. A second backward pass is refused by torch itself."""
        return *(None if made is None else times(made, g) for made in ctx.saved_tensors), None, None


def grouped(rows: Tensor, W: Tensor, of_W: Tensor | None, *, wanted: bool) -> tuple[int, Tensor | None, bool]:
    """Tokens to take together, memory for their products, and whether it is apart from of_W: it is at the end of it
    where those of all of them fit there."""
    n, columns = rows.shape[-2], rows.shape[:-1].numel()
    parts = max(1, columns // max(1, n))
    most = max(1, COLUMNS // parts)
    if not wanted:
        return most, None, True
    if of_W is not None and columns <= W.shape[1]:
        return max(1, n), of_W.view(-1)[len(W) * (W.shape[1] - columns) :], False
    together = min(most, n, max(math.ceil(n / (SHARE * parts)), ENTRIES // (4 * parts * len(W)), 1))
    return max(1, together), rows.new_empty(len(W) * parts * together), True


def times(made: Tensor, g: Tensor) -> Tensor:
    """g made, in the memory of made."""
    if not usable("loss", made, g):
        return made.mul_(g)
    native.scale_(made, g)
    return made


def chunked(projection: nn.Module, direction: Tensor, targets: Tensor) -> Tensor:
    given = projection.rows(direction.flatten(0, -2)), projection.weight.flatten(1), projection.bias
    del direction  # its memory is free, where `rows` keeps no more than what it made
    if not torch.is_grad_enabled():  # a function of autograd's is told that parameters want gradients all the same
        given = tuple(None if each is None else each.detach() for each in given)
    return Chunked.apply(*given, targets.flatten().contiguous(), projection)


LOSSES = {"materialised": materialised, "chunked": chunked}
