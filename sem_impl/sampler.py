"""From logits [B, V] to the next token [B]. Steps in this order; p is renormalised after each filter.

history [B, T]: the tokens before; its first `prompt` tokens were given, the others drawn. c_v: how often v was drawn.

    (1) repetition theta   a token that stands in the history: logit/theta if positive, logit theta if negative
                           (Keskar et al. 2019, in the form of Hugging Face's transformers)
    (2) presence, frequency  logit - presence [c_v > 0] - frequency c_v (OpenAI's API reference)
    (3) no_repeat_ngram n  banned: a token that would complete an n-gram that stands in the history (Paulus et al.
                           2017). Before temperature and filters, so that these share out what may really be drawn
    (4) temperature        logits / temperature, p = softmax; 0: all of p on the largest logit (ties: the lowest id)
    (5) top_k              the k most probable (Fan et al. 2018)
    (6) top_p              the shortest prefix, most probable first, whose mass is >= top_p (Holtzman et al. 2020)
    (7) min_p              p >= min_p max p (Nguyen et al. 2024)
    (8) typical            the smallest set, ascending in |-ln p - H|, H the entropy, whose mass is >= typical
                           (Meister et al. 2023)

(5) to (8) keep one token at least; among equals the lowest id comes first. float64 throughout.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """As it stands, p = softmax of the logits. ValueError for values that make no sense."""

    temperature: float = 1.0
    top_k: int = 0
    """0: all."""
    top_p: float = 1.0
    min_p: float = 0.0
    typical: float = 1.0
    repetition: float = 1.0
    presence: float = 0.0
    frequency: float = 0.0
    no_repeat_ngram: int = 0
    """0: none."""

    def __post_init__(self) -> None:
        for name, (sensible, would_do) in SENSIBLE.items():
            value = getattr(self, name)
            if not (math.isfinite(value) and sensible(value)):
                raise ValueError(f"{name} {value!r} makes no sense; {would_do} would do")


def whole(value: float) -> bool:
    return value >= 0 and value == int(value)


SENSIBLE = {
    "temperature": (lambda value: value >= 0, "a number from 0"),
    "top_k": (whole, "a whole number from 0"),
    "top_p": (lambda value: 0 < value <= 1, "a number above 0, up to 1"),
    "min_p": (lambda value: 0 <= value <= 1, "a number from 0 to 1"),
    "typical": (lambda value: 0 < value <= 1, "a number above 0, up to 1"),
    "repetition": (lambda value: value > 0, "a number above 0"),
    "presence": (lambda _: True, "a number"),
    "frequency": (lambda _: True, "a number"),
    "no_repeat_ngram": (whole, "a whole number from 0"),
}


def probabilities(logits: Tensor, history: Tensor, prompt: int, sampling: Sampling) -> Tensor:
    """p [B, V]. ValueError where a logit is not finite, or every token is banned."""
    logits = logits.double()
    if not logits.isfinite().all():
        raise ValueError("a logit is not finite; a model whose loss is finite would do")
    logits = repetition(logits, history, sampling.repetition)
    logits = presence_and_frequency(logits, history[:, prompt:], sampling.presence, sampling.frequency)
    logits = no_repeat_ngram(logits, history, int(sampling.no_repeat_ngram))
    if sampling.temperature == 0:
        return torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
    p = tempered(logits, sampling.temperature)
    if sampling.top_k:
        p = top_k(p, int(sampling.top_k))
    if sampling.top_p < 1:
        p = top_p(p, sampling.top_p)
    if sampling.min_p:
        p = min_p(p, sampling.min_p)
    if sampling.typical < 1:
        p = typical(p, sampling.typical)
    return p


def draw(logits: Tensor, history: Tensor, prompt: int, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """[B]; the generator's device is that of the logits."""
    p = probabilities(logits, history, prompt, sampling)
    return torch.multinomial(p, 1, generator=generator).squeeze(-1)


def counts(tokens: Tensor, like: Tensor) -> Tensor:
    """How often each id stands in a row of tokens [B, T], in the shape of like [B, V]."""
    return torch.zeros_like(like).scatter_add(-1, tokens, torch.ones_like(tokens, dtype=like.dtype))


def repetition(logits: Tensor, history: Tensor, theta: float) -> Tensor:
    """(1)"""
    penalised = torch.where(logits > 0, logits / theta, logits * theta)
    return torch.where(counts(history, logits) > 0, penalised, logits)


def presence_and_frequency(logits: Tensor, drawn: Tensor, presence: float, frequency: float) -> Tensor:
    """(2)"""
    c = counts(drawn, logits)
    return logits - presence * (c > 0) - frequency * c


def no_repeat_ngram(logits: Tensor, history: Tensor, n: int) -> Tensor:
    """(3), -inf for what is banned."""
    length = history.shape[-1]
    if n == 0 or length < n:
        return logits
    ngrams = history.unfold(-1, n, 1)
    begun = (ngrams[..., :-1] == history[:, None, length - n + 1 :]).all(-1)
    banned = torch.zeros_like(logits).scatter_add(-1, ngrams[..., -1], begun.to(logits.dtype)) > 0
    logits = logits.masked_fill(banned, -math.inf)
    if logits.isneginf().all(-1).any():
        raise ValueError(f"no_repeat_ngram {n}: every token is banned; a longer n-gram would do")
    return logits


def tempered(logits: Tensor, temperature: float) -> Tensor:
    """(4). The largest logit is taken off first, so that no temperature overflows."""
    return torch.softmax((logits - logits.amax(-1, keepdim=True)) / temperature, -1)


def top_k(p: Tensor, k: int) -> Tensor:
    """(5)"""
    order = p.argsort(dim=-1, descending=True, stable=True)
    return kept(p, order, torch.arange(p.shape[-1], device=p.device).expand_as(p) < k)


def top_p(p: Tensor, mass: float) -> Tensor:
    """(6)"""
    order = p.argsort(dim=-1, descending=True, stable=True)
    return kept(p, order, mass_before(p, order) < mass)


def min_p(p: Tensor, share: float) -> Tensor:
    """(7)"""
    return normalised(torch.where(p >= share * p.amax(-1, keepdim=True), p, 0.0))


def typical(p: Tensor, mass: float) -> Tensor:
    """(8)"""
    entropy = torch.special.entr(p).sum(-1, keepdim=True)
    order = (-p.log() - entropy).abs().argsort(dim=-1, stable=True)
    return kept(p, order, mass_before(p, order) < mass)


def mass_before(p: Tensor, order: Tensor) -> Tensor:
    """Of the tokens that come earlier in the order: a token is needed while these have not the mass asked for."""
    return torch.nn.functional.pad(p.gather(-1, order)[..., :-1].cumsum(-1), (1, 0))


def kept(p: Tensor, order: Tensor, needed: Tensor) -> Tensor:
    """needed: by place in the order."""
    return normalised(torch.where(torch.zeros_like(needed).scatter(-1, order, needed), p, 0.0))


def normalised(p: Tensor) -> Tensor:
    return p / p.sum(-1, keepdim=True)
