"""What must hold for a number to mean anything: finite outputs, equal outputs, equal gradients.

Errors are relative 2-norms against the float64 oracle. For gradients every parameter is judged on its own and the
worst counts; a parameter whose gradient is far below the others' typical size is measured against that size, since
rounding of the whole backward pass reaches it too: |g - g*| / max(|g*|, FAINT |G*| sqrt(n / N)). A single number's
gradient is one sum over everything and cancels to as little as chance will have it: it is measured against the median
over parameters of |g*| / sqrt(n), which no one steep parameter can raise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
FAINT = 1e-2


def as_array(tensor: Any) -> Array:
    """A numpy view of a tensor (any device, conjugated views resolved) or of an array."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg().numpy()
    return np.asarray(tensor)


def finite(tensors: Mapping[str, Any]) -> bool:
    return all(_finite(tensor) for tensor in tensors.values())


def _finite(tensor: Any) -> bool:
    """Asked where the tensor lies: logits of a large model are gigabytes, and the answer is one bit."""
    device = getattr(tensor, "device", None)
    if getattr(device, "type", "cpu") in ("cuda", "xpu"):
        return bool(tensor.detach().isfinite().all())
    return bool(np.isfinite(as_array(tensor)).all())


def relative_error(found: Mapping[str, Any], oracle: Mapping[str, Array]) -> float:
    """|found - oracle| / |oracle| over all tensors together. Infinite where names or shapes differ."""
    if found.keys() != oracle.keys():
        return float("inf")
    error = norm = 0.0
    for name, truth in oracle.items():
        value = as_array(found[name])
        if value.shape != truth.shape:
            return float("inf")
        for part, whole in _slabs(value, truth):
            error += _square(part - whole)
            norm += _square(whole)
    if norm == 0.0:
        return 0.0 if error == 0.0 else float("inf")
    return float(np.sqrt(error / norm))


def gradient_error(found: Mapping[str, Array], oracle: Mapping[str, Array]) -> float:
    """Worst relative error over parameters (see the module's text). Infinite where one has no counterpart."""
    if found.keys() != oracle.keys():
        return float("inf")
    total = sum(_square(truth) for truth in oracle.values())
    count = sum(truth.size for truth in oracle.values())
    each = [np.sqrt(_square(truth) / truth.size) for truth in oracle.values() if truth.size]
    single = float(np.median(each)) if each else 0.0
    worst = 0.0
    for name, truth in oracle.items():
        if found[name].shape != truth.shape:
            return float("inf")
        typical = FAINT * np.sqrt(total * truth.size / max(count, 1)) if truth.size > 1 else single
        error = np.sqrt(sum(_square(part - whole) for part, whole in _slabs(found[name], truth)))
        size = max(np.sqrt(_square(truth)), typical)
        if size > 0:
            worst = max(worst, float(error / size))
        elif error > 0:
            return float("inf")
    return worst


def parameters(model: Any) -> dict[str, Any]:
    """Name -> parameter, for a torch module or a fake that has `named_parameters`."""
    return dict(model.named_parameters()) if hasattr(model, "named_parameters") else {}


def gradients(model: Any) -> dict[str, Array]:
    return {name: as_array(p.grad) for name, p in parameters(model).items() if getattr(p, "grad", None) is not None}


def digest(arrays: Iterable[tuple[str, Any]]) -> str:
    """Of names, shapes, dtypes and bytes: equal digests mean equal bits."""
    state = hashlib.blake2b(digest_size=8)
    for name, tensor in arrays:
        array = np.ascontiguousarray(as_array(tensor))
        state.update(f"{name}{array.shape}{array.dtype}".encode())
        state.update(array.data)
    return state.hexdigest()


def _square(array: Array) -> float:
    flat = array.reshape(-1)
    return float(np.vdot(flat, flat).real)


def _slabs(value: Array, truth: Array) -> Iterator[tuple[Array, Array]]:
    """Both arrays in slabs of a few million elements, in the oracle's precision: no second copy of a big output."""
    flat, whole = value.reshape(-1), truth.reshape(-1)
    step = 1 << 22
    for start in range(0, max(flat.size, 1), step):
        yield flat[start : start + step].astype(whole.dtype, copy=False), whole[start : start + step]
