"""Real text: the English that CPython ships in `pydoc_data.topics` (about 460 KB), bytes as tokens.

It varies with the Python version, so its SHA-256 is the identity of the data set and is recorded with every run.
Tokens are ids below 256 whatever the vocabulary: `distinct_tokens` says how many a batch really holds.
"""

import hashlib
import importlib
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
    if length > len(content):
        raise ValueError(f"a window of {length} tokens is longer than the embedded text ({len(content)} bytes)")
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(0, len(content) - length + 1, (count,), generator=generator)
    tokens = torch.stack([torch.tensor(list(content[start : start + length])) for start in starts.tolist()])
    return tokens, {
        "dataset": NAME,
        "dataset_sha256": hashlib.sha256(content).hexdigest(),
        "distinct_tokens": len(torch.unique(tokens)),
    }
