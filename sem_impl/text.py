"""Real text: the English that CPython ships in `pydoc_data.topics` (about 460 KB), bytes as tokens.

It varies with the Python version, so its SHA-256 is the identity of the data set and is recorded with every run.
Tokens are ids below 256 whatever the vocabulary: `distinct_tokens` says how many a batch really holds.
"""

import hashlib
import importlib
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

NAME = "pydoc_data.topics"


@cache
def text() -> bytes:
    """All topics in order of name."""
    try:
        topics = importlib.import_module(NAME).topics
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"the embedded text is missing: this Python has no module {NAME}; "
            "install the standard library's pydoc data (on some systems a package of its own)"
        ) from None
    return "\n".join(topics[name] for name in sorted(topics)).encode()


def windows(count: int, length: int, seed: int) -> tuple[Tensor, dict[str, int | str]]:
    """`count` windows of `length` tokens at seeded places, [count, length] int64, and the facts to record."""
    content = text()
    tokens = drawn(content, count, length, seed)
    return tokens, {
        "dataset": NAME,
        "dataset_sha256": hashlib.sha256(content).hexdigest(),
        "distinct_tokens": len(torch.unique(tokens)),
    }


def drawn(content: bytes, count: int, length: int, seed: int) -> Tensor:
    """`count` windows of `length` bytes at seeded places, [count, length] int64."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, places(content, length), (count,), generator=generator)
    return at(content, length, starts.tolist())


def at(content: bytes, length: int, starts: Sequence[int]) -> Tensor:
    return torch.stack([torch.tensor(list(content[start : start + length])) for start in starts])


def places(content: bytes, length: int) -> int:
    """Where a window may begin: 0..places-1."""
    if length > len(content):
        raise ValueError(f"a window of {length} tokens is longer than its text ({len(content)} bytes)")
    return len(content) - length + 1


def unigram_entropy(content: bytes) -> float:
    """Nats per byte: what is left to a model that knows how often each byte occurs in `content`, and nothing else."""
    counts = torch.bincount(torch.tensor(list(content)), minlength=256).double() / len(content)
    return float(torch.special.entr(counts).sum())
