"""Text, token by token: the prompt is read at once, then each token as it is drawn, with the state carried."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sem_impl.model import UNDEFINED, Model
from sem_impl.sampler import Sampling, draw

BYTES = 256
"""Ids from here on stand for nothing in a text of bytes, and are never drawn."""


@torch.no_grad()
def generate(model: Model, prompt: Tensor, count: int, sampling: Sampling, seed: int) -> Iterator[Tensor]:
    """prompt [B, T] int64, T >= 1; yields `count` times the next token of every row, [B]. The same seed, the same text.
    ValueError for an empty prompt, and under transport `sequence`, where decoding is undefined."""
    if not prompt.shape[-1]:
        raise ValueError("an empty prompt; one token at least is needed to go on from")
    if model.sequence:
        raise ValueError(UNDEFINED)
    generator = torch.Generator(prompt.device).manual_seed(seed)
    history, unread, state = prompt, prompt, None
    for _ in range(count):
        predicted = model(unread, state=state, last=True)
        logits = predicted.result[:, -1, :BYTES]
        token = draw(logits, history, prompt.shape[-1], sampling, generator)
        yield token
        unread, state = token.unsqueeze(-1), predicted.state
        history = torch.cat([history, unread], -1)
