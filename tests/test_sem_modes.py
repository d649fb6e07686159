"""A text read in pieces, down to token by token, is the text read whole; a prefill is its last row; an update at rate 0
changes no parameter.

Tolerances, as the 2-norm of a row's difference over that of the row. Two ways round every intermediate by a relative u
each, and differently: a value passes some 20 operations in a layer, 30 outside. The state adds up terms of all phases
over a horizon of S/3 tokens, and their errors in the same way: they grow alike. Together 2 (20 L + 30) u.
"""

import itertools

import pytest
import torch

from harness.system import OPTIMISER, stages_in
from sem_impl import text
from sem_impl.initial import Initial
from sem_impl.mixer import Mixer
from sem_impl.model import Model
from sem_impl.sizes import SIZES, Dimensions
from sem_impl.system import SEM, whole
from sem_impl.system.update import update_of

LENGTH = 1000
LEVELS = SEM.variants["propagator_before"] | {"method": "direct"}
"""The direct step has no tolerance of its own, which would hide what is asked."""
STEP = {"dt": 0.1, "training_step": 0, "max_iterations": 50, "updates": 50}
SIZE = Dimensions.of(
    SIZES["tiny"]
    | {"batch_size": 1, "seq_len": LENGTH, "width": 16, "groups": 2, "propagator_width": 130, "propagator_layers": 1}
)
SWITCHES = {switch.name: switch for switch in SEM.switches}
PAIRS = list(itertools.product(SWITCHES["scan"].levels, SWITCHES["layout"].levels))
PIECES = [1, 2, 61, 3, 16, 17, 128, 772]
DECODED = [
    *((scan, "complex64", dtype) for scan in SWITCHES["scan"].levels for dtype in (torch.float64, torch.float32)),
    *(("chunked", layout, torch.float64) for layout in SWITCHES["layout"].levels if layout != "complex64"),
]
ROUNDOFF = {torch.float32: 2.0**-24, torch.float64: 2.0**-53}


def tolerance(dtype, layers=SIZE.layers):
    return 2 * (20 * layers + 30) * ROUNDOFF[dtype]


def lively(made):
    """Steps that depend on the token, as after some training: at first they are all 1."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("step_weight"):
                parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    return made.eval()


def model(dtype=torch.float64, sizes=SIZE, **levels):
    return lively(Model(Initial(0, dtype), sizes, LEVELS | levels, **STEP))


def tokens(rows=1, length=LENGTH):
    return text.windows(rows, length, 3)[0]


def worst(found, truth):
    """Over rows; one of zeros must be met exactly."""
    off, size = (found - truth).norm(dim=-1), truth.norm(dim=-1)
    return float(torch.where(off > 0, off / size, 0).max())


def read(step, whole_text, pieces, axis=1):
    """`step(piece, state)` gives what stands there and the state after; `pieces` are lengths."""
    found, state = [], None
    for piece in whole_text.split(pieces, axis):
        out, state = step(piece, state)
        found.append(out)
    return torch.cat(found, axis), state


@pytest.mark.parametrize(("scan", "layout", "dtype"), DECODED)
@torch.no_grad()
def test_a_mixer_that_decodes_a_thousand_tokens_does_as_one_that_reads_them_at_once(scan, layout, dtype):
    levels = {name: LEVELS[name] for name in ("norm", "residual", "horizon")}
    sizes = Dimensions(**vars(SIZE) | {"layers": 1})
    mixer = lively(Mixer(Initial(0, dtype), sizes, scan=scan, layout=layout, **levels))
    drawn = torch.randn(1, LENGTH, SIZE.width, dtype=torch.complex128, generator=torch.Generator().manual_seed(2))
    psi = drawn.to(torch.complex128 if dtype == torch.float64 else torch.complex64)
    at_once, after = mixer(psi)
    found, state = read(mixer, psi, [1] * LENGTH)
    assert worst(found, at_once) <= tolerance(dtype, 1)
    for ours, theirs in zip(state[0], after[0], strict=True):
        assert ours.shape == theirs.shape
        assert worst(ours, theirs) <= tolerance(dtype, 1)
    assert worst(mixer(psi[:, 500:])[0][:, 100:], at_once[:, 600:]) > 1e-3  # what came before is still felt there


def test_a_model_that_decodes_a_thousand_tokens_does_as_one_that_reads_them_at_once():
    made, given = model(), tokens()
    with torch.no_grad():
        at_once = made(given).result
        found, state = read(lambda piece, state: made(piece, state=state)[::2], given, [1] * LENGTH)
    assert state.position == LENGTH
    assert worst(found, at_once) <= tolerance(torch.float64)


@pytest.mark.parametrize(("scan", "layout"), PAIRS)
@torch.no_grad()
def test_uneven_pieces_read_as_the_whole(scan, layout):
    made, given = model(scan=scan, layout=layout), tokens()
    at_once = made(given)
    found, state = read(lambda piece, state: made(piece, state=state)[::2], given, PIECES)
    assert worst(found, at_once.result) <= tolerance(torch.float64)
    for ours, theirs in zip(state.layers, at_once.state.layers, strict=True):
        assert all(worst(a, b) <= tolerance(torch.float64) for a, b in zip(ours, theirs, strict=True))


@torch.no_grad()
def test_what_a_text_carries_keeps_nothing_else_alive():
    carried = model()(tokens(), last=True).state
    assert carried.position == LENGTH
    assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for layer in carried.layers for tensor in layer)


def system_made(mode, dtype="float64", **changes):
    conditions = {c.name: c.default for c in SEM.conditions} | changes
    variant = LEVELS | {"matrix": "cached"}
    made, batch = SEM.build(variant, conditions, 0, dtype), SEM.batch(conditions, 0, dtype)
    return made, batch, SEM.run(made, batch, mode)


@pytest.mark.parametrize("seq_len", [1, 2, 33])
def test_a_prefill_is_the_last_row_of_a_forward_and_decoding_goes_on_from_it(seq_len):
    made, batch, forward = system_made("forward", seq_len=seq_len)
    last = forward.tensors["logits"][:, -1:]
    prefill = SEM.run(made, batch, "prefill").tensors
    assert worst(prefill["logits"], last) <= tolerance(torch.float64)
    # decoding after the state of the tokens before the last one: the same answer, and the same state
    before = type(batch)(batch.inputs | {"tokens": batch.inputs["tokens"][:, : seq_len + 1]})
    if seq_len > 1:
        with torch.no_grad():
            left = made(before.inputs["tokens"][:, : seq_len - 1]).state.layers
    else:
        left = [tuple(torch.zeros_like(batch.inputs[name][0]) for name in ("tail", "state")) for _ in made.mixer.layers]
    carried = {"tail": torch.stack([one[0] for one in left]), "state": torch.stack([one[1] for one in left])}
    decoded = SEM.run(made, type(batch)(before.inputs | carried), "decode").tensors
    assert decoded.keys() == prefill.keys()
    for name in decoded:
        assert worst(decoded[name], prefill[name]) <= tolerance(torch.float64)


def test_what_decoding_finds_of_the_text_is_of_the_mixer_s_size_and_matters():
    made, batch, decoded = system_made("decode", batch_size=8)
    with torch.no_grad():
        left = made(batch.inputs["tokens"][:, :-2]).state.layers
    for name in ("tail", "state"):
        drawn = batch.inputs[name]
        assert drawn.dtype == torch.complex128
        assert drawn.shape[1:] == getattr(left[0], name).shape
        rms = [float(tensor.abs().square().mean().sqrt()) for tensor in (drawn, getattr(left[0], name))]
        assert rms[0] == pytest.approx(1.0, abs=0.05)
        assert 0.5 < rms[1] / rms[0] < 2
        other = SEM.run(made, type(batch)(batch.inputs | {name: -drawn}), "decode")
        assert worst(other.tensors["logits"], decoded.tensors["logits"]) > 0.1


def test_the_batch_of_a_seed_holds_the_same_numbers_in_every_precision():
    conditions = {c.name: c.default for c in SEM.conditions}
    single, double = (SEM.batch(conditions, 0, dtype).inputs for dtype in ("float32", "float64"))
    assert all(torch.equal(single[name].to(double[name].dtype), double[name]) for name in double)


def test_decoding_under_sequence_is_refused_by_the_estimate_and_by_the_model():
    conditions = {c.name: c.default for c in SEM.conditions}
    variant = LEVELS | {"transport": "sequence"}
    with pytest.raises(ValueError, match=r"transport sequence has no decode: .* mode prefill, would do"):
        SEM.estimate(variant, conditions, "decode")
    made, batch = SEM.build(variant, conditions, 0), SEM.batch(conditions, 0)
    with pytest.raises(ValueError, match="transport sequence: decoding is undefined"):
        SEM.run(made, batch, "decode")
    assert SEM.run(made, batch, "prefill").tensors["logits"].shape == (2, 1, 256)


def test_answering_a_prompt_is_done_with_the_tolerance_of_a_finished_training():
    conditions = {c.name: c.default for c in SEM.conditions}
    made, batch = SEM.build(LEVELS | {"tolerance": "adaptive"}, conditions, 0), SEM.batch(conditions, 0)
    seen = {}
    for mode in (*SEM.modes, "forward"):
        SEM.run(made, batch, mode)
        seen[mode] = made.propagator.evolve.step().tolerance
    assert {mode for mode, tolerance in seen.items() if tolerance == 1e-4} == {"forward", "train_step", "train_update"}
    assert {seen["prefill"], seen["decode"]} == {1e-6}


def test_an_update_does_its_work_and_changes_no_parameter():
    """Moments by hand after one step from nothing: m = 0.1 g, v = 0.05 g^2."""
    made, _, output = system_made("train_update")
    output.loss.backward()
    before = {name: p.detach().clone() for name, p in made.named_parameters()}
    gradients = {name: p.grad.clone() for name, p in made.named_parameters()}
    output.update()
    for name, p in made.named_parameters():
        assert torch.equal(p, before[name])
        assert torch.equal(p.grad, gradients[name])
        assert torch.allclose(p.moments["exp_avg"], 0.1 * p.grad, rtol=1e-12, atol=0)
        assert torch.allclose(p.moments["exp_avg_sq"], 0.05 * p.grad**2, rtol=1e-12, atol=0)
    assert {(group["lr"], group["betas"], group["fused"]) for group in made.optimiser.param_groups} == {
        (0.0, (0.9, 0.95), True)
    }


def test_models_that_share_parameters_share_their_moments():
    conditions = {c.name: c.default for c in SEM.conditions}
    first = SEM.build(LEVELS, conditions, 0)
    second = SEM.build(LEVELS | {"learning_rate": "exponential_depth"}, conditions, 0, share=first)
    for made in (first, second):
        output = SEM.run(made, SEM.batch(conditions, 0), "train_update")
        output.loss.backward()
        output.update()
    assert len(second.optimiser.param_groups) > len(first.optimiser.param_groups) == 2
    for p in first.parameters():
        assert first.optimiser.state[p] is second.optimiser.state[p]
        assert p.moments["step"] == 2


def test_the_update_is_a_stage_of_its_mode_alone():
    pipeline = tuple(SEM.stages)
    for mode in SEM.modes:
        assert stages_in(SEM, mode) == pipeline + ((OPTIMISER,) if mode == "train_update" else ())
        conditions = {c.name: c.default for c in SEM.conditions}
        assert tuple(SEM.estimate(LEVELS, conditions, mode).stages) == stages_in(SEM, mode)
    assert whole.update_of is update_of
