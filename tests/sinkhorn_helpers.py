"""Small transport problems in float64, and what is seen of memory while one is solved."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sem_impl.sinkhorn import Problem


def costs(rows=2, length=6, candidates=4, seed=0):
    """In nats: a nat of spread over candidates, as at epsilon 0.05."""
    generator = torch.Generator().manual_seed(seed)
    return 8 + torch.randn(rows, length, candidates, dtype=torch.float64, generator=generator)


def given(cost):
    """The problem whose costs are these: points are rows of costs, codes add nothing."""
    return Problem(cost, cost.new_zeros(cost.shape[-1], 1), lambda point, codes: point + codes.mT, lambda log_t: log_t)


def distances(point, codes):
    """A third of the squared distances, one by one: a nat or two of spread, so that forty updates reach rounding."""
    return (point.unsqueeze(-2) - codes).square().sum(-1) / 3


def scattered(rows=2, length=7, candidates=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    point = torch.randn(rows, length, 3, dtype=torch.float64, generator=generator)
    codes = torch.randn(candidates, 3, dtype=torch.float64, generator=generator)
    return point.requires_grad_(), codes.requires_grad_()


class Largest(TorchDispatchMode):
    """Entries of the largest tensor that any operator returned, views included."""

    def __init__(self):
        super().__init__()
        self.entries = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(out) if isinstance(leaf, torch.Tensor)]
        self.entries = max([self.entries, *sizes])
        return out


def saved_entries(call):
    """Entries of all storages kept for the backward pass of `call`, parameters included, each counted once."""
    storages = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes() // tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        held = call()
    return sum(storages.values()), held
