"""Initial parameters: every one drawn from its own generator, so that one parameter more never shifts the others.

The generator of a parameter is seeded by the first 63 bits of SHA-256("seed/full.name"). Numbers are drawn in float32
and then cast, so a float64 model (the oracle) holds exactly the numbers of the float32 one. A complex parameter of
shape [...] is a real one of shape [..., 2] (Re, Im), viewed as complex in forward. CN(0, s): E|z|^2 = s, each part
N(0, s/2).

A parameter says of itself whether it is a `matrix`, a map from one space to another: only those decay in training
(`training.groups`). Its shape does not tell: (Re, Im), blocks and taps are axes too.

`share`: an earlier model. A parameter equal in seed, full name, shape, initialiser and dtype is taken from it: the
same object, no copy.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch import Tensor, nn

PIECE = 1 << 20
"""Numbers drawn at a time, so that a large parameter never exists twice."""

Fill = Callable[[Tensor, torch.Generator], None]


class Initial:
    def __init__(self, seed: int, dtype: torch.dtype = torch.float32, share: nn.Module | None = None) -> None:
        self.seed = seed
        self.dtype = dtype
        self.prefix = ""
        parameters = share.parameters() if share is not None else ()
        self.shared = {p.origin: p for p in parameters if hasattr(p, "origin")}

    def scope(self, prefix: str) -> Self:
        """The same source of numbers for a submodule: its names are read as `prefix.name`."""
        inner = type(self)(self.seed, self.dtype)
        inner.prefix = f"{self.prefix}{prefix}."
        inner.shared = self.shared
        return inner

    def real(
        self, name: str, shape: Sequence[int], *, mean: float = 0.0, deviation: float = 0.0, matrix: bool = False
    ) -> nn.Parameter:
        """N(mean, deviation^2); the constant `mean` where the deviation is 0."""

        def fill(flat: Tensor, generator: torch.Generator) -> None:
            for piece in flat.split(PIECE):
                if deviation == 0.0:
                    piece.fill_(torch.tensor(mean, dtype=torch.float32))
                elif piece.dtype == torch.float32:
                    piece.normal_(mean, deviation, generator=generator)
                else:
                    drawn = torch.empty(piece.shape, dtype=torch.float32)
                    piece.copy_(drawn.normal_(mean, deviation, generator=generator))

        return self._parameter(name, tuple(shape), f"normal({mean!r}, {deviation!r})", fill, matrix)

    def complex(self, name: str, shape: Sequence[int], variance: float, *, matrix: bool = False) -> nn.Parameter:
        """CN(0, variance), stored [*shape, 2]."""
        return self.real(name, (*shape, 2), deviation=(variance / 2) ** 0.5, matrix=matrix)

    def sphere(self, name: str, shape: Sequence[int], radius: float) -> nn.Parameter:
        """A matrix with rows (last axis) uniform on the sphere of that radius."""

        def fill(flat: Tensor, generator: torch.Generator) -> None:
            drawn = torch.empty(tuple(shape), dtype=torch.float32).normal_(generator=generator)
            flat.copy_((radius * drawn / drawn.norm(dim=-1, keepdim=True)).flatten())

        return self._parameter(name, tuple(shape), f"sphere({radius!r})", fill, True)

    def values(self, name: str, values: Tensor) -> nn.Parameter:
        """Exactly these numbers, rounded to float32."""
        rounded = values.to(torch.float32).contiguous()

        def fill(flat: Tensor, _: torch.Generator) -> None:
            flat.copy_(rounded.flatten())

        digest = hashlib.sha256(rounded.numpy().tobytes()).hexdigest()
        return self._parameter(name, tuple(values.shape), f"values({digest})", fill, False)

    def _parameter(self, name: str, shape: tuple[int, ...], initialiser: str, fill: Fill, matrix: bool) -> nn.Parameter:
        full = self.prefix + name
        origin = (self.seed, full, shape, initialiser, str(self.dtype))
        if origin in self.shared:
            return self.shared[origin]
        seed = int.from_bytes(hashlib.sha256(f"{self.seed}/{full}".encode()).digest()[:8], "big") >> 1
        generator = torch.Generator().manual_seed(seed)
        parameter = nn.Parameter(torch.empty(shape, dtype=self.dtype))
        fill(parameter.data.view(-1), generator)
        parameter.origin = origin
        parameter.matrix = matrix
        return parameter
