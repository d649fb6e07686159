"""The loss in blocks: the same numbers and gradients as from all logits, and never so much memory."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sem_impl import loss as loss_module
from sem_impl.estimate import products_apart
from sem_impl.head import HEADS, Head
from sem_impl.initial import Initial

CASES = [
    pytest.param(level, shape, entries, id=f"{level}-{shape}-{entries}")
    for level in HEADS
    for shape, entries in (
        ((1, 1), 8),
        ((1, 5), 40),
        ((2, 7), 3 * 24),
        ((3, 5), 24 * 15),
        ((1, 13), 1),
        ((2, 6), 1),
        ((2, 6), 10**6),
    )
]
BY = pytest.mark.parametrize("by", ["native", "eager"])


def choose(by, monkeypatch):
    """Who does what is no product; without a compiler both are the same."""
    if by == "eager":
        monkeypatch.setattr(loss_module, "usable", lambda *_: False)


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


@BY
@pytest.mark.parametrize(("level", "shape", "entries"), CASES)
def test_equals_the_materialised_loss_with_all_gradients(by, level, shape, entries, monkeypatch):
    """Blocks of 1 word, of some with a shorter last one, of all; products that wait in the gradient's memory (at most
    12 columns), up to its last number, and groups of tokens with a shorter last one. float64 sums of at most 24 terms:
    1e-14 an operation, 1e-12 with cancellation in a gradient."""
    choose(by, monkeypatch)
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


@BY
@pytest.mark.parametrize("level", HEADS)
@pytest.mark.parametrize("shape", [(1, 6), (2, 6)])
def test_targets_may_have_any_stride(by, level, shape, monkeypatch):
    choose(by, monkeypatch)
    whole, blocks = pair(level)
    psi, targets = inputs(shape)
    strided = targets.repeat_interleave(2, 1)[:, ::2]
    assert not strided.is_contiguous()
    assert torch.equal(blocks(psi, strided), blocks(psi, targets))
    assert torch.allclose(blocks(psi, strided), whole(psi, targets), rtol=1e-12)


@BY
@pytest.mark.parametrize("level", HEADS)
def test_without_gradients_the_loss_is_the_same_and_nothing_is_kept(by, level, monkeypatch):
    choose(by, monkeypatch)
    monkeypatch.setattr(loss_module, "ENTRIES", 50)
    whole, blocks = pair(level)
    monkeypatch.setattr(loss_module.Group, "gradients", lambda *_, **__: pytest.fail("none was asked for"))
    psi, targets = inputs((2, 7))
    with torch.no_grad():
        value = blocks(psi, targets)
    assert not value.requires_grad
    assert torch.allclose(value, whole(psi, targets), rtol=1e-12)


@BY
@pytest.mark.parametrize("shape", [(1, 5), (2, 7)], ids=["waiting", "grouped"])
@pytest.mark.parametrize("frozen", [("weight",), ("bias",), ("weight", "sigma"), ("bias", "sigma")], ids="-".join)
@pytest.mark.parametrize("level", HEADS)
def test_what_is_frozen_gets_no_gradient_and_the_rest_still_does(by, level, frozen, shape, monkeypatch):
    """Frozen weights have no gradient in whose memory products could wait."""
    choose(by, monkeypatch)
    monkeypatch.setattr(loss_module, "ENTRIES", 50)
    psi, targets = inputs(shape)
    found = []
    for head in pair(level):
        for name, parameter in head.projection.named_parameters():
            parameter.requires_grad_(name not in frozen)
        found.append(gradients(head, psi, targets))
    for name, expected in found[0].items():
        if name.removeprefix("projection.") in frozen:
            assert expected is found[1][name] is None
        else:
            assert torch.allclose(found[1][name], expected, rtol=1e-12, atol=1e-12), name


def test_a_second_backward_pass_is_refused_and_not_wrong():
    _, blocks = pair("log_linear")
    psi, targets = inputs((2, 7))
    value = blocks(psi, targets)
    value.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match=r"inplace|second time"):
        value.backward()


class Largest(TorchDispatchMode):
    """The most numbers in memory of its own that an operator made, gradients of parameters set aside by their shape."""

    def __init__(self, *apart):
        super().__init__()
        self.apart = {tuple(shape) for shape in apart}
        self.aside = []
        self.most = 0
        self.places = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                if tuple(tensor.shape) in self.apart:
                    self.aside.append(storage)
                elif storage.data_ptr() not in [each.data_ptr() for each in self.aside]:
                    self.see(storage.nbytes() // tensor.itemsize, storage.data_ptr())
        return made

    def see(self, size, place):
        if size > self.most:
            self.most, self.places = size, set()
        if size == self.most:
            self.places.add(place)


@BY
@pytest.mark.parametrize("level", HEADS)
@pytest.mark.parametrize(("shape", "width"), [((2, 10), 22), ((2, 256), 6)], ids=["waiting", "grouped"])
def test_the_logits_are_never_all_there(by, level, shape, width, monkeypatch):
    """20 tokens of 1000 logits wait in a gradient of 44 numbers a word, where they become theirs: the last 50 words in
    memory apart, a twentieth. torch's operators take four blocks of 3000. 512 tokens do not fit in a gradient of 12
    numbers a word: a tenth of the logits, 52 tokens. An amplitude of the Born head has two numbers a logit."""
    choose(by, monkeypatch)
    monkeypatch.setattr(loss_module, "ENTRIES", 12_000)
    psi, targets = inputs(shape, width, vocabulary=1000)
    found = {}
    for name, head in zip(("materialised", "chunked"), pair(level, width, vocabulary=1000), strict=True):
        with Largest((1000, 2 * width), (2 * width, 1000), (1000, width, 2)) as watched:
            gradients(head, psi, targets)
        found[name] = watched.most
    parts = 2 if level == "born_quadratic" else 1
    assert found["materialised"] == parts * targets.numel() * 1000
    assert found["chunked"] == (52_000 if width == 6 else 3000 if by == "eager" else parts * 20 * 50)
    assert width == 22 or len(watched.places) == 1  # groups take turns in one piece of memory


def test_a_target_outside_of_the_vocabulary_is_refused():
    _, blocks = pair("log_linear")
    psi, targets = inputs((2, 7))
    for wrong in (-1, 24):
        with pytest.raises(RuntimeError, match="outside of the vocabulary of 24"):
            blocks(psi, targets.clone().fill_(wrong))


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize(
    ("tokens", "P", "V"),
    [
        (37, 4, 101),
        (37, 100, 101),
        (6, 3, 24),
        (7, 3, 24),
        (8, 4, 30),
        (4, 4, 30),
        (1, 1, 1),
        (2048, 512, 8192),
        (50_000, 8, 30),
        (9, 1, 2**21),
    ],
)
def test_what_the_loss_in_blocks_holds_of_its_products_is_what_it_takes(parts, tokens, P, V):
    """Groups of tokens, down to sizes where a tenth of the logits is less than a block, or more than all of them."""
    rows, W = torch.empty(parts, tokens, 2 * P, device="meta"), torch.empty(V, 2 * P, device="meta")
    of_W = torch.empty_like(W)
    _, memory, apart = loss_module.grouped(rows, W, of_W, wanted=True)
    assert products_apart(parts, tokens, P, V) == (memory.numel() if apart else 0)
