"""Recomputing the mixer's layers saves memory and changes no number."""

from dataclasses import replace

import pytest
import torch

from sem_impl.initial import Initial
from sem_impl.mixer import Carried, Mixer
from sem_impl.sizes import SIZES, Dimensions
from sem_impl.system import SEM

TINY = Dimensions.of({**SIZES["tiny"], "propagator_layers": 1})
LEVELS = {
    "norm": "complex_rms",
    "residual": "learned_horizon",
    "horizon": "third",
    "scan": "chunked",
    "layout": "complex64",
}


def mixer(layers, checkpointing):
    return Mixer(Initial(0), replace(TINY, layers=layers), checkpointing=checkpointing, **LEVELS)


def states(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(seed))


def carried(layers):
    return [Carried(states(2, 3, 64, seed=9 + n), states(2, 64, seed=99 + n)) for n in range(layers)]


def trained(made, psi, before):
    """Output, what is carried on, gradients of everything, and the bytes saved for the backward pass."""
    held = {}

    def hold(tensor):
        storage = tensor.untyped_storage()
        held[storage.data_ptr()] = storage.nbytes()
        return tensor

    own = {p.untyped_storage().data_ptr() for p in made.parameters()}
    psi = psi.clone().requires_grad_()
    before = [Carried(*(z.clone().requires_grad_() for z in one)) for one in before]
    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        out, after = made(psi, before)
        left = [z for one in after for z in one]
        loss = sum(torch.view_as_real(z).sin().sum() for z in (out, *left))
    loss.backward()
    wanted = [psi, *made.parameters(), *(z for one in before for z in one)]
    saved = sum(size for place, size in held.items() if place not in own)
    return [out, *left], [p.grad for p in wanted], saved


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_numbers_and_gradients_are_the_same_to_the_last_bit(layers):
    psi, before = states(2, 11, 64), carried(layers)
    plain, again = (trained(mixer(layers, level), psi, before) for level in ("none", "every_k"))
    for found, truth in zip((*again[0], *again[1]), (*plain[0], *plain[1]), strict=True):
        assert torch.equal(found, truth)


def test_what_is_kept_is_the_input_of_every_second_layer():
    psi, before = states(2, 32, 64), carried(4)
    plain, again = (trained(mixer(4, level), psi, before)[2] for level in ("none", "every_k"))
    # two segments' inputs psi and states, and of the loss above: its own argument, out, and left, each once as saved
    psi_bytes, state_bytes = 8 * 2 * 32 * 64, 8 * 2 * 4 * 64
    assert again <= 2 * psi_bytes + 4 * state_bytes + (psi_bytes + 4 * state_bytes)
    assert plain > 10 * again


def test_without_gradients_the_two_are_one():
    psi = states(2, 11, 64)
    with torch.no_grad():
        plain, again = (mixer(3, level)(psi) for level in ("none", "every_k"))
    assert torch.equal(plain[0], again[0])
    left = [[z for one in after for z in one] for _, after in (plain, again)]
    assert all(torch.equal(a, b) for a, b in zip(*left, strict=True))


def test_the_layers_run_once_more_in_the_backward_pass_and_only_there():
    calls = []
    made = mixer(3, "every_k")
    for number, layer in enumerate(made.layers):
        layer.register_forward_pre_hook(lambda *_, number=number: calls.append(number))
    out, _ = made(states(1, 5, 64).requires_grad_())
    assert calls == [0, 1, 2]
    out.abs().sum().backward()
    assert calls == [0, 1, 2, 2, 0, 1]


def test_the_level_reaches_the_mixer_of_the_whole_model():
    conditions = {c.name: c.default for c in SEM.conditions} | dict(SEM.sizes["tiny"])
    variant = SEM.variants["propagator_before"] | {"matrix": "cached"}
    batch, found = SEM.batch(conditions, 0), []
    for level in ("none", "every_k"):
        made, calls = SEM.build(variant | {"checkpointing": level}, conditions, 0), []
        made.mixer.layers[0].register_forward_pre_hook(lambda *_, calls=calls: calls.append(0))
        loss = SEM.run(made, batch, "train_step").loss
        loss.backward()
        found.append((loss.detach(), [p.grad for p in made.parameters()], len(calls)))
    assert torch.equal(found[0][0], found[1][0])
    assert all(torch.equal(a, b) for a, b in zip(found[0][1], found[1][1], strict=True))
    assert [one[2] for one in found] == [1, 2]
