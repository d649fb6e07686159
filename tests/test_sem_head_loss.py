"""The loss in blocks: the same numbers and gradients as from all logits, and never so much memory."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sem_impl import loss as loss_module
from sem_impl.head import HEADS, Head
from sem_impl.initial import Initial

CASES = [
    pytest.param(level, shape, entries, id=f"{level}-{shape}-{entries}")
    for level in HEADS
    for shape, entries in (((1, 1), 8), ((2, 7), 3 * 24), ((3, 5), 24 * 15), ((1, 13), 1), ((2, 6), 10**6))
]


def pair(level, width=6, vocabulary=24, dtype=torch.float64):
    return [Head(Initial(0, dtype), width, vocabulary, head=level, loss=name) for name in ("materialised", "chunked")]


def inputs(shape, width=6, vocabulary=24, dtype=torch.complex128):
    generator = torch.Generator().manual_seed(1)
    psi = torch.randn(*shape, width, dtype=dtype, generator=generator)
    return psi, torch.randint(vocabulary, shape, generator=generator)


def gradients(head, psi, targets, scale=1.0):
    psi = psi.clone().requires_grad_()
    value = head(psi, targets)
    (scale * value).backward()
    return {"loss": value.detach(), "psi": psi.grad} | {name: p.grad for name, p in head.named_parameters()}


@pytest.mark.parametrize(("level", "shape", "entries"), CASES)
def test_equals_the_materialised_loss_with_all_gradients(level, shape, entries, monkeypatch):
    """Blocks of 1 token, of some with a shorter last one, of all. float64 sums of at most 24 terms: 1e-14 an operation,
    1e-12 with cancellation in a gradient."""
    monkeypatch.setattr(loss_module, "ENTRIES", entries)
    whole, blocks = pair(level)
    if level == "log_linear":
        with torch.no_grad():
            for head in (whole, blocks):
                head.projection.bias.copy_(torch.linspace(-1, 1, 24))
    psi, targets = inputs(shape)
    expected, found = gradients(whole, psi, targets, 2.5), gradients(blocks, psi, targets, 2.5)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        assert torch.allclose(found[name], value, rtol=1e-12, atol=1e-12), name
        assert value.abs().max() > 0


@pytest.mark.parametrize("level", HEADS)
def test_without_gradients_the_loss_is_the_same_and_nothing_is_kept(level, monkeypatch):
    monkeypatch.setattr(loss_module, "ENTRIES", 50)
    whole, blocks = pair(level)
    psi, targets = inputs((2, 7))
    with torch.no_grad():
        value = blocks(psi, targets)
    assert not value.requires_grad
    assert torch.allclose(value, whole(psi, targets), rtol=1e-12)


def test_a_frozen_weight_gets_no_gradient_and_the_state_still_does(monkeypatch):
    monkeypatch.setattr(loss_module, "ENTRIES", 50)
    whole, blocks = pair("born_quadratic")
    for head in (whole, blocks):
        head.projection.weight.requires_grad_(False)
    psi, targets = inputs((2, 7))
    expected, found = gradients(whole, psi, targets), gradients(blocks, psi, targets)
    assert found["projection.weight"] is None
    assert torch.allclose(found["psi"], expected["psi"], rtol=1e-12)


def test_a_second_backward_pass_is_refused_and_not_wrong():
    _, blocks = pair("log_linear")
    psi, targets = inputs((2, 7))
    value = blocks(psi, targets)
    value.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match=r"inplace|second time"):
        value.backward()


class Largest(TorchDispatchMode):
    """The most numbers any one tensor had that an operator made, parameters' gradients set aside by their shape."""

    def __init__(self, *apart):
        super().__init__()
        self.apart = {tuple(shape) for shape in apart}
        self.most = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor) and tuple(tensor.shape) not in self.apart:
                self.most = max(self.most, tensor.untyped_storage().nbytes() // tensor.itemsize)
        return made


@pytest.mark.parametrize("level", HEADS)
def test_the_logits_are_never_all_there(level, monkeypatch):
    """512 tokens of 1000 logits in blocks of at most 40: an amplitude of the Born head has two numbers a logit."""
    monkeypatch.setattr(loss_module, "ENTRIES", 40_000)
    psi, targets = inputs((2, 256), vocabulary=1000)
    most = {}
    for name, head in zip(("materialised", "chunked"), pair(level, vocabulary=1000), strict=True):
        with Largest((1000, 12), (1000, 6, 2)) as watched:
            gradients(head, psi, targets)
        most[name] = watched.most
    parts = 2 if level == "born_quadratic" else 1
    assert most["materialised"] == parts * 512 * 1000
    assert most["chunked"] == parts * 40_000
