"""The pieces: every level gives what the piece is for, by a slow form of its own; floors count what a call touches.

That they keep the contract of every system stands in test_contract. Here nothing rests on how they are registered.
"""

import math

import pytest
import torch
from oracles import recurrence, unrolled_sinkhorn
from pieces_helpers import TWO_29, called, conditions
from torch.nn.functional import cross_entropy

from harness.measure import guards
from sem_impl.system.pieces_encoder import SEM_SINKHORN
from sem_impl.system.pieces_head import SEM_BORN_LOSS, SEM_LOSS
from sem_impl.system.pieces_mixer import SEM_NORM, SEM_SCAN
from sem_impl.system.pieces_propagator import SEM_CAYLEY, SEM_KERR

PIECES = (SEM_SCAN, SEM_NORM, SEM_SINKHORN, SEM_KERR, SEM_LOSS, SEM_BORN_LOSS)


def levels(system):
    """Every variant that computes, one for each combination of the other switches."""
    found = [dict(system.variants["status_quo"])]
    for switch in system.switches:
        if switch.name != "work":
            found = [{**variant, switch.name: level} for variant in found for level in switch.levels]
    return found


EVERY_LEVEL = [
    pytest.param(system, variant, id=f"{system.name}-{'-'.join(variant.values())}")
    for system in PIECES
    for variant in levels(system)
]


def slow_scan(model, batch):
    return recurrence(torch.view_as_complex(model.A), batch.inputs["u"], torch.view_as_complex(model.state))


def slow_norm(model, batch):
    z = batch.inputs["z"]
    if model.norm == "complex_rms":
        root = (z.abs().square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return model.norms["complex_rms"].gamma * z / root
    parts, norm = torch.view_as_real(z), model.norms["layer_norm"]
    centred = parts - parts.mean((-2, -1), keepdim=True)
    root = (centred.square().mean((-2, -1), keepdim=True) + 1e-5).sqrt()
    return torch.view_as_complex((norm.weight * centred / root + norm.bias).contiguous())


def slow_sinkhorn(model, batch):
    return unrolled_sinkhorn(batch.inputs["costs"] + model.prior, 1.0, model.updates)


def slow_kerr(model, batch):
    psi = batch.inputs["psi"]
    return psi * torch.exp(1j * model.kappa * psi.abs().square())


def slow_logits(model, batch):
    projection, psi = model.head.projection, batch.inputs["psi"]
    w = torch.view_as_complex(projection.weight)
    direction = psi / psi.norm(dim=-1, keepdim=True)
    if projection.bias is None:
        return ((direction @ w.mH).abs().square() + 1e-6).log()
    return (direction @ w.mH).real * projection.sigma.exp() + projection.bias


SLOW = {
    "sem_scan": slow_scan,
    "sem_norm": slow_norm,
    "sem_sinkhorn": slow_sinkhorn,
    "sem_kerr": slow_kerr,
    "sem_loss": slow_logits,
    "sem_born_loss": slow_logits,
}


@pytest.mark.parametrize(("system", "variant"), EVERY_LEVEL)
def test_every_level_makes_what_the_piece_is_for(system, variant):
    model, batch, output = called(system, variant, "forward")
    truth = {system.made: SLOW[system.name](model, batch).detach().numpy()}
    assert guards.relative_error(output.tensors, truth) <= TWO_29 * system.rounding


@pytest.mark.parametrize(("system", "variant"), EVERY_LEVEL)
def test_every_gradient_is_autograds_of_the_slow_form(system, variant):
    """Of Sinkhorn after 400 updates: its gradient is the balanced plan's."""
    settings = {"updates": 400} if system is SEM_SINKHORN else {}
    model, batch, _ = called(system, variant, "train_step", **settings)
    found = guards.gradients(model)
    model.zero_grad(set_to_none=True)
    made = SLOW[system.name](model, batch)
    if "functional" in batch.inputs:
        (batch.inputs["functional"].conj() * made).real.mean().backward()
    else:
        cross_entropy(made, batch.inputs["targets"]).backward()
    assert found.keys() == guards.gradients(model).keys()
    assert guards.gradient_error(found, guards.gradients(model)) <= TWO_29 * system.rounding * system.gradient_slack


@pytest.mark.parametrize(("system", "variant"), EVERY_LEVEL)
@pytest.mark.parametrize("mode", ["forward", "train_step"])
def test_float32_is_within_the_rounding_it_declares(system, variant, mode):
    settings = {"updates": 400} if system is SEM_SINKHORN else {}
    model, _, output = called(system, variant, mode, "float32", **settings)
    same = {one.name: variant[one.name] if one.kind == "different" else one.oracle for one in system.switches}
    exact, _, truth = called(system, same, mode, **settings)
    wanted = {name: guards.as_array(tensor) for name, tensor in truth.tensors.items()}
    assert guards.relative_error(output.tensors, wanted) <= system.rounding
    error = guards.gradient_error(guards.gradients(model), guards.gradients(exact))
    assert error <= system.rounding * system.gradient_slack


ALSO_READ = {"sem_scan": ("A",), "sem_sinkhorn": ("prior",)}
"""Parameters as large as a field."""


@pytest.mark.parametrize("system", [SEM_SCAN, SEM_NORM, SEM_SINKHORN, SEM_KERR, SEM_CAYLEY], ids=lambda one: one.name)
def test_the_floor_of_a_copy_is_the_bytes_it_reads_and_writes(system):
    variant = {**system.variants["status_quo"], "work": "copied"}
    model, batch, output = called(system, variant, "forward", "float32")
    (made,) = output.tensors.values()
    (given,) = (tensor for name, tensor in batch.inputs.items() if name != "functional")
    read = [given] + [model.get_parameter(name) for name in ALSO_READ.get(system.name, ())]
    cost = system.estimate(variant, conditions(system), "forward").whole
    assert cost.minimum_bytes == sum(tensor.nbytes for tensor in (*read, made))
    assert made.shape == given.shape
    assert made.data_ptr() != given.data_ptr()


@pytest.mark.parametrize("system", [SEM_LOSS, SEM_BORN_LOSS], ids=lambda one: one.name)
def test_the_products_alone_are_the_heads_and_its_gradients_own(system):
    """G W and G^T rows with the amplitudes for G: what the loss |rows W^T|^2 / 2 has as gradients."""
    model, batch, _ = called(system, {**system.variants["status_quo"], "work": "product"}, "train_step")
    projection = model.head.projection
    found = projection.weight.grad.clone()
    model.zero_grad(set_to_none=True)
    rows = projection.rows(model.head.direction(batch.inputs["psi"]))
    ((rows @ projection.weight.flatten(1).T).square().sum() / 2).backward()
    torch.testing.assert_close(found, projection.weight.grad, rtol=1e-12, atol=1e-12 * float(found.abs().max()))


def test_a_scans_memory_is_a_third_of_its_length():
    """The mean rate of decay, ln |A|, is 3/S times the mean step, softplus of a normal number: 0.806."""
    model, *_ = called(SEM_SCAN, SEM_SCAN.variants["status_quo"], "forward", seq_len=300)
    rate = -torch.view_as_complex(model.A).abs().log().mean().item()
    steps = 2 * 300 * 24
    assert math.isclose(rate * 300 / 3, 0.806, abs_tol=4 * 0.55 / math.sqrt(steps))
