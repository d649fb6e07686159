"""What a call holds in memory, tensor by tensor, at any size, without holding it.

The model itself is run under torch's fake tensors, which have shapes and storages but no numbers: what is counted is
what its code makes, at the size asked for. Nothing here is a formula.

    (1) a storage is alive from the operator that made it until nothing refers to it; views make none
    (2) peak       most bytes alive at once, parameters and inputs among them, gradients as they come
    (3) kept       alive when its stage's forward ends: what goes on to the next stage, and in a training step what the
                   backward pass will need
    (4) made       made in its stage's forward, whether kept or gone by then

A question about numbers (has the solver converged?) is answered with 1, yes: an iteration holds what the next one
would, and two of them stand for all. Tables that functions remember are made in the call that is counted, as in a
process's first. Not seen: what an operator needs inside and gives back (a product's packing, a sort's scratch memory),
and H, whose 7P numbers are counted as one.
"""

import sys
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

from sem_impl.initial import Initial
from sem_impl.kernels.native import available

FEW = {"max_iterations": 2}
INSTEAD = {"matrix": {"rebuild": "cached"}, "kernels": {"compiled": "eager"}}
"""Levels that cannot run without numbers, a sparse matrix put together, a compiler, and what is counted for them."""
WITHOUT = {"kernels": ("cayley", "compiled"), "scan": ("scan", "chunked"), "sinkhorn": ("sinkhorn", "dense")}
"""Switch -> the library of its level fused, and the level that runs where there is none."""
ONE: dict[tuple[bool, bool], float | int | bool] = {(True, False): 1.0, (False, False): 1, (False, True): True}
"""By whether a number is a real one, and whether it is a truth."""


def assumed(variant: Mapping[str, str]) -> dict[str, str]:
    """Of a variant's levels, those that others are counted for: switch -> level."""
    fused = {name: needed for name, needed in WITHOUT.items() if variant[name] == "fused"}
    run = {name: other for name, (library, other) in fused.items() if not available(library)}
    wanted = {**variant, **run}
    return run | {name: levels[wanted[name]] for name, levels in INSTEAD.items() if wanted[name] in levels}


class Undrawn(Initial):
    """Parameters of the right shapes that no numbers were drawn for."""

    def values(self, name: str, values: Tensor) -> nn.Parameter:
        return self._parameter(name, tuple(values.shape))

    def _parameter(self, name: str, shape: tuple[int, ...], *_: object) -> nn.Parameter:  # noqa: ARG002
        return nn.Parameter(torch.empty(shape, dtype=self.dtype))


@dataclass(frozen=True)
class Made:
    """A storage, described by the tensor it was made for."""

    module: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int


@dataclass
class Counted:
    parameters: list[tuple[str, Made]] = field(default_factory=list)
    input_bytes: int = 0
    made: dict[str, Counter[Made]] = field(default_factory=dict)
    """Stage -> (4); of the forward pass."""
    kept: dict[str, Counter[Made]] = field(default_factory=dict)
    """Stage -> (3)."""
    spans: dict[str, "Span"] = field(default_factory=dict)
    """`head`, `head.backward` -> (2) within it, in the order of the call."""

    @property
    def parameter_bytes(self) -> int:
        return sum(one.bytes for _, one in self.parameters)


@dataclass
class Span:
    begin_bytes: int
    """Alive when it began."""
    peak_bytes: int


class Storages(TorchDispatchMode):
    """Follows every storage made while it is active."""

    def __init__(self, base_bytes: int) -> None:
        super().__init__()
        self.alive: dict[int, Made] = {}
        self.alive_bytes = base_bytes
        self.spans: dict[str, Span] = {}
        self.made: dict[str, Counter[Made]] = {}
        self.modules: list[str] = []
        self.enter("")

    def enter(self, stage: str) -> None:
        self.stage = stage
        self.spans.setdefault(stage, Span(self.alive_bytes, self.alive_bytes))

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.ops.aten._local_scalar_dense.default:
            return ONE[args[0].dtype.to_real().is_floating_point, args[0].dtype == torch.bool]
        if function.overloadpacket is torch.ops.aten.sparse_compressed_tensor:
            return args[2].new_empty(()).expand(args[3])
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self.see(tensor)
        return made

    def see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self.alive or storage.nbytes() == 0:
            return
        name = str(tensor.dtype).removeprefix("torch.")
        one = Made(self.modules[-1] if self.modules else "", tuple(tensor.shape), name, storage.nbytes())
        self.alive[key] = one
        self.alive_bytes += one.bytes
        self.made.setdefault(self.stage, Counter())[one] += 1
        span = self.spans[self.stage]
        span.peak_bytes = max(span.peak_bytes, self.alive_bytes)
        weakref.finalize(storage, self.gone, key)

    def gone(self, key: int) -> None:
        self.alive_bytes -= self.alive.pop(key).bytes


def count(
    build: Callable[[], nn.Module],
    inputs: Mapping[str, Tensor],
    call: Callable[[nn.Module, Mapping[str, Tensor]], Any],
    stages: Mapping[str, str],
) -> Counted:
    """call(model, inputs) -> an output; its `loss`, if any, goes backward. stages: name -> submodule path."""
    with without_tables(), FakeTensorMode() as fake:
        model = build()
        found = Counted()
        found.parameters = [(name, _made(name, p)) for name, p in (*model.named_parameters(), *model.named_buffers())]
        given = tree_map_only(Tensor, fake.from_tensor, dict(inputs))
        found.input_bytes = sum(tensor.untyped_storage().nbytes() for tensor in given.values())
        storages = Storages(found.parameter_bytes + found.input_bytes)
        for tensor in (*model.parameters(), *model.buffers(), *given.values()):
            storages.alive[tensor.untyped_storage()._cdata] = _made("", tensor)
        for name, module in model.named_modules():
            _watch_module(storages, module, name)
        for stage, path in stages.items():
            _watch_stage(storages, found, model.get_submodule(path), stage)
        with storages:
            output = call(model, given)
            if output.loss is not None:
                output.loss.backward()
        found.made, found.spans = storages.made, storages.spans
        return found


def _watch_module(storages: Storages, module: nn.Module, name: str) -> None:
    def begin(*_: Any) -> None:
        storages.modules.append(name)

    def end(*_: Any) -> None:
        storages.modules.pop()

    module.register_forward_pre_hook(begin)
    module.register_forward_hook(end)


def _watch_stage(storages: Storages, found: Counted, module: nn.Module, stage: str) -> None:
    def begin(*_: Any) -> None:
        storages.enter(stage)

    def end(_: Any, __: Any, output: Any) -> None:
        own = storages.made.get(stage, {})
        found.kept[stage] = Counter(one for one in storages.alive.values() if one in own)
        for tensor in tree_leaves(output):
            if isinstance(tensor, Tensor) and tensor.requires_grad:
                tensor.register_hook(lambda _: storages.enter(f"{stage}.backward"))
        storages.enter("")

    module.register_forward_pre_hook(begin)
    module.register_forward_hook(end)


def _made(name: str, tensor: Tensor) -> Made:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Made(name, tuple(tensor.shape), dtype, prod(tensor.shape) * tensor.itemsize)


@contextmanager
def without_tables() -> Iterator[None]:
    """Tables that functions remember (`functools.cache`) hold tensors, and none may pass between the two worlds."""
    _forget()
    try:
        yield
    finally:
        _forget()


def _forget() -> None:
    package = __name__.split(".")[0]
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] == package:
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
