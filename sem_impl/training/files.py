"""Checkpoints: a training on disk, in one file of torch's own format.

A mapping of plain values and tensors: `format`, what the model was built from (`variant`, `conditions`, `seed`), how it
is trained (`steps`, `base_rate`, `step`), `model` (parameters and buffers by name) and `optimiser`. Read with
`weights_only`, so a stranger's file runs no code. Written beside its place and moved there, so a file is always whole.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

FORMAT = "sem 1"
KEYS = {
    "variant": dict,
    "conditions": dict,
    "seed": int,
    "steps": int,
    "base_rate": float,
    "step": int,
    "model": dict,
    "optimiser": dict,
}


class CheckpointError(ValueError):
    """A file that cannot be used; the text says which, what was found and what would do."""


def save(file: Path, content: Mapping[str, Any]) -> None:
    """content: a value for each of KEYS. OSError where the file cannot be written; an earlier one stays as it was."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("wb") as stream:
            torch.save({"format": FORMAT, **content}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):  # what torch's writer makes of a full disk
            raise error.__context__ from None
        raise
    finally:
        beside.unlink(missing_ok=True)


def load(file: Path) -> dict[str, Any]:
    """The content, on the host. OSError where there is no file to be read, CheckpointError where it is none of ours."""
    with file.open("rb") as stream:
        try:
            found = torch.load(stream, map_location="cpu", weights_only=True)
        except Exception:  # of a strange file torch's reader raises anything
            raise CheckpointError(f"{file} is no checkpoint, or a damaged one; `semh train` writes one") from None
    written = found.get("format") if isinstance(found, dict) else None
    if written != FORMAT:
        raise CheckpointError(f"{file} has the format {written!r}; {FORMAT!r} would do")
    wrong = [key for key, kind in KEYS.items() if not isinstance(found.get(key), kind)]
    if wrong:
        raise CheckpointError(f"{file} has no usable {', '.join(wrong)}; `semh train` writes a whole one")
    return {key: found[key] for key in KEYS}


def restore(file: Path, model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Every parameter and buffer of the model from those of the file. CheckpointError, and the model as it was, where
    names, shapes or dtypes are others."""
    own = model.state_dict()
    for name in sorted(own.keys() | tensors.keys()):
        here, there = (described(among.get(name)) for among in (own, tensors))
        if here != there:
            raise CheckpointError(
                f"{file}: {name} is {there} in the file and {here} in the model; a model of the variant and the "
                "conditions that the file was written with would do"
            )
    model.load_state_dict(tensors)


def described(tensor: object) -> str:
    if tensor is None:
        return "missing"
    if not isinstance(tensor, Tensor):
        return "no tensor"
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
