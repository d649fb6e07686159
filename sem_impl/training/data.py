"""Which windows of the embedded text a model learns from, and which it is judged by: [rows, length] int64.

Every tenth block of 4096 bytes is held out. Topics repeat sentences of others (a statement stands under its own name
and in its chapter), and a window may lie across the seam of two blocks: a loss on what is held out says that a model
learns, not how good it is.
"""

import hashlib
from functools import cache

from torch import Tensor

from sem_impl.text import at, drawn, places, text, unigram_entropy

HELD_OUT = 10
BLOCK = 4096
JUDGED = 4096
"""Tokens, at least, that a model is judged by."""


@cache
def learnt() -> bytes:
    return b"".join(block for number, block in enumerate(blocks()) if number % HELD_OUT != HELD_OUT - 1)


@cache
def held_out() -> bytes:
    return b"".join(blocks()[HELD_OUT - 1 :: HELD_OUT])


def blocks() -> list[bytes]:
    return [text()[start : start + BLOCK] for start in range(0, len(text()), BLOCK)]


def batch(seed: int, step: int, rows: int, length: int) -> Tensor:
    """The windows of one training step: a function of (seed, step) alone, so a training can be taken up again."""
    digest = hashlib.sha256(f"{seed}/step {step}".encode()).digest()
    return drawn(learnt(), rows, length, int.from_bytes(digest[:8], "big") >> 1)


def judged(rows: int, length: int) -> Tensor:
    """Windows evenly spaced over what is held out, the same for every model; a multiple of `rows`."""
    count = rows * -(-JUDGED // (rows * (length - 1)))
    last = places(held_out(), length) - 1
    return at(held_out(), length, [last * number // max(1, count - 1) for number in range(count)])


def bar(windows: Tensor) -> float:
    """Nats per token: no model that ignores what came before does better on the windows' targets, which are all but
    each one's first token."""
    return unigram_entropy(bytes(windows[:, 1:].flatten().tolist()))
