"""Every layout holds the same numbers in its own order, and a mixer layer computes the same in all of them."""

import pytest
import torch
from oracles import convolution

from sem_impl.convolution import CausalConvolution
from sem_impl.gates import MagnitudeGate
from sem_impl.initial import Initial
from sem_impl.layout import LAYOUTS
from sem_impl.mixer import Carried, MixerLayer
from sem_impl.scan import SCANS
from sem_impl.sizes import SIZES, Dimensions

EXACT = Initial(0, torch.float64)
EPS = torch.finfo(torch.float64).eps
WIDTH, GROUPS = 16, 2
SMALL = Dimensions.of({**SIZES["tiny"], "width": WIDTH, "groups": GROUPS, "propagator_layers": 1})
COMBINED = [(layout, scan) for layout in LAYOUTS for scan in SCANS]
every_layout = pytest.mark.parametrize("layout", LAYOUTS)


def normal(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.complex128, generator=torch.Generator().manual_seed(seed))


def real(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def close(found, truth, roundings):
    found, truth = found.detach(), truth.detach()
    return float((found - truth).norm()) <= roundings * EPS * float(truth.norm())


def in_order(layout, field):
    """Whether a field lies as its level says: positions or channels contiguous, planes where they belong."""
    if layout == "complex64":
        return field.is_complex() and field.stride(-1) == 1
    if layout == "planar":
        return field.shape[0] == 2 and field.stride(-1) == 1 and field.stride(0) > field.stride(1)
    return field.shape[0] == 2 and field.stride(-2) == 1 and 2 * field.stride(0) == field.stride(-1)


def layer_of(layout, scan):
    layer = MixerLayer(
        EXACT.scope("layer"),
        SMALL,
        0,
        norm="complex_rms",
        residual="learned_horizon",
        horizon="third",
        scan=scan,
        layout=layout,
    )
    with torch.no_grad():  # away from the initial steps, which are all 1
        layer.state_space.step_weight.copy_(0.1 * real(WIDTH, WIDTH, 2, seed=1))
        layer.magnitude_gate.beta.fill_(-0.7)
    return layer


def layer_answers(layer, batch, length):
    psi, tail, state = (
        normal(*shape, seed=seed).requires_grad_()
        for seed, shape in enumerate([(batch, length, WIDTH), (batch, 3, WIDTH), (batch, WIDTH)])
    )
    out, carried = layer(psi, Carried(tail, state))
    results = (out, carried.tail, carried.state)
    sum((result * normal(*result.shape, seed=9)).real.sum() for result in results).backward()
    leaves = {"psi": psi, "tail": tail, "state": state, **dict(layer.named_parameters())}
    return [each.detach() for each in results], {name: leaf.grad for name, leaf in leaves.items()}


@every_layout
def test_what_enters_is_what_leaves(layout):
    z, lay = normal(3, 5, 4), LAYOUTS[layout]
    field = lay.enter(z)
    assert torch.equal(lay.leave(field), z)
    assert lay.leave(field).is_contiguous()
    assert in_order(layout, field)
    assert torch.equal(lay.leave(lay.small(z[:, 0])), z[:, 0])
    assert lay.small(z).data_ptr() == z.data_ptr()
    after = lay.enter(z[:, :3], z)
    assert torch.equal(lay.leave(after), torch.cat([z[:, :3], z], 1))
    assert in_order(layout, after)


@every_layout
@pytest.mark.parametrize("shape", [(2, 1, 1), (2, 5, 1), (2, 1, 8), (3, 64, 8)])
def test_a_field_enters_after_its_tail_by_one_copy(layout, shape):
    """One allocation, as large as what is handed back: whatever else it took would be a second copy."""
    z, lay = normal(*shape), LAYOUTS[layout]
    tail = normal(shape[0], 3, shape[2])
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiled:
        field = lay.enter(tail, z)
    taken = [event.self_cpu_memory_usage for event in profiled.events()]
    assert sum(size for size in taken if size > 0) == 16 * (tail.numel() + z.numel())
    assert in_order(layout, field)


def test_interleaved_is_the_documents_expression_carried_out():
    z = normal(3, 5, 4)
    printed = torch.stack([z.real, z.imag], dim=-1).reshape(3, 5, 8).transpose(1, 2)
    assert not printed.is_contiguous()
    lay = LAYOUTS["interleaved"]
    channels = lay.channels(lay.enter(z))
    assert torch.equal(channels, printed)
    assert channels.is_contiguous()


def test_planar_holds_two_planes():
    z = normal(3, 5, 4)
    assert torch.equal(LAYOUTS["planar"].enter(z), torch.stack([z.real, z.imag]))
    assert LAYOUTS["planar"].enter(z).is_contiguous()


@every_layout
def test_every_operation_is_its_formula(layout):
    lay, z = LAYOUTS[layout], normal(2, 7, WIDTH)
    field = lay.enter(z)
    weight, bias = real(5, WIDTH, 2, seed=1), real(5, seed=2)
    mapped = lay.mapped(field, weight, bias)
    # a sum of 2 * 16 products
    assert close(mapped, z.real @ weight[..., 0].T + z.imag @ weight[..., 1].T + bias, 2 * WIDTH)
    blocks = real(GROUPS, 8, 8, 2, seed=3)
    grouped = lay.grouped(field, blocks)
    truth = torch.einsum("gnm,bsgm->bsgn", torch.view_as_complex(blocks), z.view(2, 7, GROUPS, 8)).reshape(z.shape)
    assert close(lay.leave(grouped), truth, 2 * 8)
    magnitude = lay.mapped(field, real(WIDTH, WIDTH, 2, seed=4), real(WIDTH)).exp()
    angle = magnitude.log() * 0.7
    polar = lay.polar(magnitude, angle)
    assert close(lay.leave(polar), torch.polar(magnitude, angle), 8)
    assert close(lay.energy(field), z.abs().square(), 8)
    scaled = lay.scaled(field, angle)
    assert close(lay.leave(scaled), angle * z, 2)
    assert all(in_order(layout, each) for each in (grouped, polar, scaled))


@every_layout
def test_gradients_of_every_operation(layout):
    lay, z = LAYOUTS[layout], normal(2, 2, 4).requires_grad_()
    weight, bias, blocks = real(4, 4, 2, seed=1), real(4, seed=2), real(2, 2, 2, 2, seed=3)
    leaves = [each.requires_grad_() for each in (z, weight, bias, blocks)]

    def through(z, weight, bias, blocks):
        field = lay.enter(z)
        mapped = lay.mapped(field, weight, bias)
        product = lay.scaled(lay.grouped(field, blocks), lay.energy(field).sqrt())
        return lay.leave(product), lay.leave(lay.scaled(lay.polar(mapped, mapped), mapped))

    assert torch.autograd.gradcheck(through, leaves)


@every_layout
@pytest.mark.parametrize("length", [1, 2, 3, 4, 11])
def test_convolution_is_its_sum_with_all_gradients(layout, length):
    layer, lay = CausalConvolution(EXACT.scope("convolution"), 4, layout=layout), LAYOUTS[layout]
    z, tail = normal(2, length, 4).requires_grad_(), normal(2, 3, 4, seed=1).requires_grad_()
    weight, after = normal(2, length, 4, seed=2), normal(2, 3, 4, seed=3)
    out, left = layer(z, tail)
    assert in_order(layout, out)
    loss = (lay.leave(out) * weight).real.sum() + (left * after).real.sum()
    found = [lay.leave(out), left, *torch.autograd.grad(loss, (z, tail, layer.taps))]
    padded = torch.cat([tail, z], 1)
    truth = convolution(padded, torch.view_as_complex(layer.taps))[:, 3:]
    loss = (truth * weight).real.sum() + (padded[:, length:] * after).real.sum()
    truths = [truth, padded[:, length:], *torch.autograd.grad(loss, (z, tail, layer.taps))]
    # a tap's gradient sums 2 * 11 products, everything else 4 or fewer
    assert all(close(f, t, 8 * 22) for f, t in zip(found, truths, strict=True))


@every_layout
def test_magnitude_gate_is_its_equation(layout):
    gate, lay, z = MagnitudeGate(EXACT, layout=layout), LAYOUTS[layout], normal(2, 5, 4)
    with torch.no_grad():
        gate.beta.fill_(0.4)
    truth = z * (1 - torch.exp(-gate.beta.exp() * z.abs().square()))
    assert close(lay.leave(gate(lay.enter(z))), truth, 100)


@pytest.mark.parametrize(("layout", "scan"), COMBINED)
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (3, 2), (2, 13)])
def test_a_layer_is_the_same_in_every_layout_and_scan(layout, scan, batch, length):
    found, gradients = layer_answers(layer_of(layout, scan), batch, length)
    truth, exact = layer_answers(layer_of("complex64", "sequential"), batch, length)
    # 8 operations of up to 2 * 16 products each, over at most 13 positions
    assert all(close(f, t, 8 * 32) for f, t in zip(found, truth, strict=True))
    # beta's gradient sums over everything and cancels to a tenth
    assert all(close(gradients[name], exact[name], 10 * 8 * 32) for name in exact)
    assert [result.dtype for result in found] == [torch.complex128] * 3
    assert found[1].shape == (batch, 3, WIDTH)
    assert found[2].shape == (batch, WIDTH)


@every_layout
def test_the_recurrence_runs_in_the_layouts_own_order(layout):
    layer, lay, seen = layer_of(layout, "blelloch"), LAYOUTS[layout], []
    scan = layer.state_space.scan
    layer.state_space.scan = lambda *fields: seen.extend(fields) or scan(*fields)
    layer.state_space.register_forward_hook(lambda _, given, result: seen.extend([given[0], result[0]]))
    layer(normal(2, 9, WIDTH))
    A, u, _, y, o = seen
    assert all(in_order(layout, each) for each in (A, u, y, o))
    assert lay.leave(o).shape == (2, 9, WIDTH)


@pytest.mark.parametrize(("layout", "scan"), COMBINED)
def test_piece_by_piece_is_the_whole(layout, scan):
    layer, psi = layer_of(layout, scan), normal(2, 11, WIDTH)
    whole, end = layer(psi)
    carried, pieces = None, []
    for piece in psi.split([1, 1, 4, 5], 1):
        out, carried = layer(piece, carried)
        pieces.append(out)
    assert close(torch.cat(pieces, 1), whole, 8 * 32)
    assert close(carried.state, end.state, 8 * 32)
    assert close(carried.tail, end.tail, 8)
