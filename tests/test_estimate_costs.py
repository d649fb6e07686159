"""The floors of the stages: never above what is really done, and equal to torch's count where torch counts rightly."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from sem_impl import costs, loss
from sem_impl.chebyshev import coefficients
from sem_impl.checkpointing import K
from sem_impl.estimate import CHECKPOINTED, CHUNK, COLUMNS, SHARE, UPDATE
from sem_impl.hamiltonian import OFFSETS, dense
from sem_impl.least import least_products
from sem_impl.sizes import INFERENCE, TRAINING, Dimensions
from sem_impl.system import SEM, SEM_PROPAGATOR

VARIANT = dict(SEM.variants["propagator_before"])
STATUS_QUO = dict(SEM_PROPAGATOR.variants["status_quo"])
CONDITIONS = {one.name: one.default for one in SEM.conditions}
SIZES = Dimensions.of(CONDITIONS)
ROWS = SIZES.batch_size * SIZES.seq_len


def built(levels=VARIANT, **changes):
    conditions = CONDITIONS | changes
    return SEM.build(levels, conditions, 0), SEM.batch(conditions, 0).inputs["tokens"][:, :-1]


def torch_flops(call):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        call()
    return counter.get_total_flops()


def stages(mode, levels=VARIANT, **changes):
    return SEM.estimate(levels, CONDITIONS | changes, mode).stages


POINTWISE = {"log_linear": 6 * SIZES.propagator_width + SIZES.vocabulary}
POINTWISE["born_quadratic"] = 6 * SIZES.propagator_width + 5 * SIZES.vocabulary
EXPONENTIALS = {"log_linear": SIZES.vocabulary, "born_quadratic": 0}


@pytest.mark.parametrize("head", POINTWISE)
def test_products_of_the_head_are_those_torch_counts_forward_and_backward(head):
    levels = VARIANT | {"head": head}
    model, _ = built(levels)
    psi = torch.randn(ROWS, SIZES.propagator_width, dtype=torch.complex64, requires_grad=True)
    targets = torch.zeros(ROWS, dtype=torch.int64)
    with FlopCounterMode(display=False) as forward:
        loss = model.head(psi, targets)
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    found = stages("train_step", levels)["head"]
    once = POINTWISE[head] + costs.ELEMENTARY * EXPONENTIALS[head]
    assert found.flops - ROWS * once == forward.get_total_flops()
    assert found.backward_flops - ROWS * POINTWISE[head] == backward.get_total_flops()


def test_logits_of_the_quadratic_head_need_their_logarithms_where_the_loss_does_not():
    """|a|^2 + f: 4 a logit and its logarithm; in the loss its sum instead, and no logarithm of each."""
    levels = VARIANT | {"head": "born_quadratic"}
    logits, loss = (stages(mode, levels)["head"].flops for mode in ("forward", "train_step"))
    assert logits - loss == ROWS * SIZES.vocabulary * (costs.ELEMENTARY - 1)


def test_a_loss_in_chunks_does_its_backward_arithmetic_in_the_forward_pass():
    at_once, chunked = (
        stages("train_step", VARIANT | {"loss": level})["head"] for level in ("materialised", "chunked")
    )
    assert chunked.flops == at_once.flops + at_once.backward_flops
    assert chunked.backward_flops == chunked.backward_minimum_bytes == 0
    assert chunked.minimum_bytes < at_once.minimum_bytes + at_once.backward_minimum_bytes
    forward = (stages("forward", VARIANT | {"loss": level}) for level in ("materialised", "chunked"))
    assert next(forward) == next(forward)


def test_products_of_the_encoder_are_those_torch_counts_when_nothing_is_left_out():
    """Torch multiplies by all of t, the floor by the entries that are not 0: with M = K they agree."""
    K = CONDITIONS["candidates"]
    model, tokens = built(kept=K)
    counted = torch_flops(lambda: model.encoder(tokens))
    pointwise = 2 * 64 + 7 * K + 5 * K + 2 * SIZES.width + costs.ELEMENTARY * 2 * K
    assert stages("forward", kept=K)["encoder"].flops - ROWS * pointwise == counted


def test_complex_products_count_four_times_what_torch_says():
    """Torch takes a complex multiply-add for 2 FLOPs; it is 8."""
    model, _ = built()
    psi = torch.randn(ROWS, SIZES.width, dtype=torch.complex64)
    expansion = 4 * torch_flops(lambda: model.propagator.expand(psi))
    norm = 7 * SIZES.width * ROWS
    evolved = ROWS * costs.evolution(VARIANT, CONDITIONS, SIZES.propagator_width, 1, "forward").forward
    assert stages("forward")["propagator"].flops == expansion + norm + evolved


def test_products_of_the_mixer_are_those_of_its_parts():
    model, _ = built()
    layer = model.mixer.layers[0]
    z = torch.randn(SIZES.batch_size, SIZES.seq_len, SIZES.width, dtype=torch.complex64)
    real = torch_flops(
        lambda: torch.nn.functional.linear(torch.view_as_real(z).flatten(-2), layer.unitary_gate.gate.flatten(1))
    )
    real += torch_flops(
        lambda: torch.nn.functional.linear(torch.view_as_real(z).flatten(-2), layer.state_space.step_weight.flatten(1))
    )
    everything = torch_flops(lambda: layer(z))
    complexes = 4 * (everything - real)
    taps = 4 * 8 * SIZES.width * ROWS
    pointwise = 44 * SIZES.width + SIZES.width // 4 + costs.ELEMENTARY * (8 * SIZES.width + SIZES.width // 8)
    assert stages("forward")["mixer"].flops == SIZES.layers * (real + complexes + taps + ROWS * pointwise)


def test_a_layer_norm_takes_seven_operations_an_entry_more():
    """Mean 2, squares 4, and of every real number a multiply-add for the row and one for the weights: 14, against 7."""
    layer, rms = (stages("forward", VARIANT | {"norm": level}) for level in ("layer_norm", "complex_rms"))
    assert layer["mixer"].flops - rms["mixer"].flops == SIZES.layers * ROWS * 7 * SIZES.width
    assert layer["propagator"].flops - rms["propagator"].flops == ROWS * 7 * SIZES.width


def test_a_prefill_need_not_finish_the_last_layer_but_where_it_answers():
    """Spared at every position but the last: C h, skip, output map, residual, and all that follows."""
    whole, prefill = stages("forward"), stages("prefill")
    D, spared = SIZES.width, ROWS - SIZES.batch_size
    assert prefill["encoder"] == whole["encoder"]
    finish = 8 * SIZES.states * D + 8 * D * D + 8 * D
    assert whole["mixer"].flops - prefill["mixer"].flops == spared * finish
    for name in ("propagator", "head"):
        assert prefill[name].flops * ROWS == whole[name].flops * SIZES.batch_size


def test_decoding_costs_what_one_token_of_each_row_does():
    whole, decode = stages("forward"), stages("decode")
    for name in SEM.stages:
        assert decode[name].flops * ROWS == whole[name].flops * SIZES.batch_size


def test_answering_a_prompt_is_held_against_the_tolerance_of_a_finished_training():
    adaptive = VARIANT | {"tolerance": "adaptive"}
    assert stages("forward", adaptive)["propagator"].flops < stages("forward")["propagator"].flops
    for mode in ("prefill", "decode"):
        assert stages(mode, adaptive) == stages(mode)


def sizes_of(given):
    """Bytes of the tensors in arguments or results, however nested."""
    if isinstance(given, torch.Tensor):
        return given.nbytes
    return sum(map(sizes_of, given)) if isinstance(given, list | tuple) else 0


@pytest.mark.parametrize("levels", [{}, {"norm": "layer_norm", "head": "born_quadratic", "residual": "theorem"}])
@pytest.mark.parametrize("mode", SEM.modes)
def test_least_bytes_are_inputs_parameters_and_outputs(mode, levels):
    levels = VARIANT | levels
    model = SEM.build(levels, CONDITIONS, 0)
    seen = {}

    def note(name):
        def hook(module, given, output):
            psi = output if isinstance(output, torch.Tensor) else output[0]
            carried = sizes_of(output) - psi.nbytes if name == "mixer" and mode in INFERENCE else 0
            if name == "mixer" and mode == "prefill":
                psi = psi[:, -1:]
            seen[name] = sizes_of(given), psi.nbytes + carried

        return hook

    for name in SEM.stages:
        model.get_submodule(name).register_forward_hook(note(name))
    SEM.run(model, SEM.batch(CONDITIONS, 0), mode)
    found = stages(mode, levels)
    for name in SEM.stages:
        parameters = sum(p.nbytes for p in model.get_submodule(name).parameters())
        if name == "encoder":
            embedding, output = model.encoder.embedding, model.encoder.output
            parameters -= embedding.nbytes - embedding[0].nbytes  # one row of it
            parameters -= output.nbytes * (SIZES.candidates - SIZES.kept) // SIZES.candidates
        given, result = seen[name]
        assert found[name].minimum_bytes == given + parameters + result
        if mode in TRAINING:
            targets = 8 * ROWS if name == "head" else 0
            gradient = 0 if name == "encoder" else given - targets
            assert found[name].backward_minimum_bytes == given + 2 * parameters + result + gradient


class Tally:
    """A real number that counts the arithmetic done with it."""

    flops = 0
    elementary = 0

    def __init__(self, value):
        self.value = value

    def _done(self, value):
        Tally.flops += 1
        return Tally(value)

    def __add__(self, other):
        return self._done(self.value + other.value)

    def __sub__(self, other):
        return self._done(self.value - other.value)

    def __mul__(self, other):
        return self._done(self.value * other.value)

    def __truediv__(self, other):
        return self._done(self.value / other.value)

    def sqrt(self):
        Tally.elementary += 1
        return Tally(math.sqrt(self.value))

    def turn(self):
        Tally.elementary += 2
        return Tally(math.cos(self.value)), Tally(math.sin(self.value))


def times(a, b):
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def plus(a, b):
    return a[0] + b[0], a[1] + b[1]


def counted(z):
    return [(Tally(v.real), Tally(v.imag)) for v in z]


def values(pairs):
    return np.array([a.value + 1j * b.value for a, b in pairs])


def test_one_evolution_done_by_hand_takes_exactly_the_flops_that_are_counted():
    """Kerr phase, then the polynomial of the least degree by Horner: unit weights, P = 130, dt 0.1, tolerance 1e-4."""
    P, dt, tolerance = 130, 0.1, 1e-4
    generator = np.random.default_rng(0)
    psi = (generator.standard_normal(P) + 1j * generator.standard_normal(P)) / math.sqrt(2)
    weights = np.full((3, P), math.log(2))
    H = dense(torch.tensor(weights)).numpy()
    degree = least_products(P, dt, tolerance, 50)
    coefficients = best_polynomial(np.linalg.eigvalsh(H), dt / 2, degree)
    edges = [(i, (i + o) % P, Tally(w)) for o, row in zip(OFFSETS, weights, strict=True) for i, w in enumerate(row)]
    kappa = [Tally(1.0)] * P
    zero = [(Tally(0.0), Tally(0.0))] * P
    Tally.flops = Tally.elementary = 0

    field = counted(psi)
    q = []
    for (re, im), k in zip(field, kappa, strict=True):
        q.append(times((k * (re * re + im * im)).turn(), (re, im)))
    leading, *rest = counted(coefficients[::-1])
    x = [times(leading, v) for v in q]
    first = Tally.flops
    for c in rest:
        after = list(zero)
        for i, j, w in edges:
            d = (w * (x[i][0] - x[j][0]), w * (x[i][1] - x[j][1]))
            after[i] = plus(after[i], d)
            after[j] = after[j][0] - d[0], after[j][1] - d[1]
        x = [plus(v, times(c, u)) for v, u in zip(after, q, strict=True)]
    assert (first, Tally.elementary) == (P * (10 + 6), 2 * P)  # 6: the leading coefficient, which is not counted
    variant, conditions = STATUS_QUO | {"tolerance": "adaptive"}, {"dt": dt, "training_step": 0, "max_iterations": 50}
    floor = costs.evolution(variant, conditions, P, 1, "forward").forward
    assert Tally.flops + costs.ELEMENTARY * Tally.elementary - 6 * P == floor

    turned = psi * np.exp(1j * abs(psi) ** 2)
    A = np.eye(P) + 0.5j * dt * H
    b = A.conj() @ turned
    assert np.linalg.norm(b - A @ values(x)) <= 2 * tolerance * np.linalg.norm(b)  # one row, not the mean over rows


def best_polynomial(eigenvalues, a, degree):
    """Coefficients c_0 .. c_n of the polynomial that leaves the smallest residual on rows without a preference."""
    A = 1 + 1j * a * eigenvalues
    powers = eigenvalues[:, None] ** np.arange(degree + 1)
    return np.linalg.lstsq(A[:, None] * powers, A.conj(), rcond=None)[0]


def test_the_adjoint_done_by_hand_takes_exactly_the_flops_that_are_counted():
    """Equations (3) and (4) of the propagator, one entry and its three edges; cos, sin and |psi|^2 kept from before."""
    Tally.flops = 0
    re, im, gr, gi, c, s, size, kappa2 = (Tally(v) for v in (0.3, -0.7, 0.2, 0.5, 0.8, -0.6, 0.58, 2.0))
    tr, ti = c * gr + s * gi, c * gi - s * gr
    m = ti * re - tr * im
    scaled = kappa2 * m
    _ = tr + scaled * re, ti + scaled * im
    _ = Tally(0.0) + m * size
    assert Tally.flops == 16
    Tally.flops = 0
    z, y = (plus((re, im), (gr, gi)) for _ in range(2))
    for _ in OFFSETS:
        dz, dy = ((v[0] - gr, v[1] - gi) for v in (z, y))
        _ = Tally(0.0) + (dz[0] * dy[1] - dz[1] * dy[0])
    assert Tally.flops == 28


@pytest.mark.parametrize(("dt", "tolerance"), [*itertools.product((0.01, 0.1, 0.5), (1e-4, 1e-6))])
def test_no_method_does_with_fewer_products(dt, tolerance):
    conditions = {one.name: one.default for one in SEM_PROPAGATOR.conditions}
    conditions |= {"rows": 16, "propagator_width": 256, "dt": dt}
    level = "fixed" if tolerance == 1e-6 else "adaptive"
    least = least_products(256, dt, tolerance, 50)
    batch = SEM_PROPAGATOR.batch(conditions, 0)
    for method, preconditioner in itertools.product(("cocg", "cgnr", "chebyshev"), ("none", "block_jacobi")):
        variant = STATUS_QUO | {
            "method": method,
            "preconditioner": preconditioner,
            "tolerance": level,
            "matrix": "cached",
        }
        model = SEM_PROPAGATOR.build(variant, conditions, 0)
        readings = SEM_PROPAGATOR.read_probes(model, batch)
        assert readings["outcome"] == "converged"
        assert readings["products"] >= least
    assert least <= len(coefficients(dt / 2, 8.4, tolerance, 50)) - 1


@pytest.mark.parametrize(("P", "dt"), [(2048, 1e-3), (2048, 0.1), (2048, 1.0), (256, 10.0), (129, 0.1)])
def test_the_least_degree_is_that_of_a_least_squares_fit(P, dt):
    """On the circulant spectrum, by another way and with every eigenvalue of it."""
    a = dt / 2
    angle = 2 * np.pi * np.arange(P) / P
    eigenvalues = math.log(2) * sum(2 - 2 * np.cos(o * angle) for o in OFFSETS)
    A, degree = 1 + 1j * a * eigenvalues, least_products(P, dt, 1e-4, 50)
    left = []
    for n in (degree - 1, degree):
        basis = A[:, None] * np.polynomial.chebyshev.chebvander(eigenvalues / 4.2 - 1, n)
        fit = np.linalg.lstsq(basis, A.conj(), rcond=None)[0] if n >= 0 else np.zeros(0)
        residual = A.conj() - (basis @ fit if n >= 0 else 0)
        left.append(np.linalg.norm(residual) / np.linalg.norm(A))
    assert left[1] <= 1e-4 < left[0]
    assert least_products(P, dt, 1e-4, 0) == 0


def test_the_propagator_alone_costs_what_its_stage_does_without_the_expansion():
    conditions = CONDITIONS | {"rows": ROWS}
    for mode in SEM_PROPAGATOR.modes:
        alone = SEM_PROPAGATOR.estimate(STATUS_QUO, conditions, mode)
        stage = stages(mode, VARIANT | STATUS_QUO)["propagator"]
        loss = (4, 2) if mode == "train_step" else (0, 0)
        entries = ROWS * SIZES.propagator_width
        expansion = ROWS * (8 * SIZES.width * SIZES.propagator_width)
        norm = ROWS * 7 * SIZES.width
        assert alone.stages == {}
        assert alone.whole.flops - loss[0] * entries == stage.flops - expansion - norm
        if mode == "train_step":
            assert alone.whole.backward_flops - loss[1] * entries == stage.backward_flops - 2 * expansion - norm


def test_an_update_done_by_hand_takes_exactly_the_flops_that_are_counted():
    """AdamW's third step on one number, the bias corrections taken into rate and epsilon beforehand."""
    p, m, v, g, rate, steps = 0.3, 0.02, 0.004, -0.7, 1e-3, 3
    parameter = torch.nn.Parameter(torch.tensor([p], dtype=torch.float64))
    optimiser = torch.optim.AdamW([parameter], lr=rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    state = {"step": torch.tensor(steps - 1.0), "exp_avg": torch.tensor([m]), "exp_avg_sq": torch.tensor([v])}
    optimiser.state[parameter] = {name: value.double() if value.ndim else value for name, value in state.items()}
    parameter.grad = torch.tensor([g], dtype=torch.float64)
    optimiser.step()
    correction = math.sqrt(1 - 0.95**steps)
    r, e = Tally(rate * correction / (1 - 0.9**steps)), Tally(1e-8 * correction)
    p, m, v, g, tenth, twentieth, kept = (Tally(x) for x in (p, m, v, g, 0.1, 0.05, 0.95))
    Tally.flops = Tally.elementary = 0
    m = m + tenth * (g - m)
    v = kept * v + twentieth * g * g
    p = p - r * m / (v.sqrt() + e)
    assert p.value == pytest.approx(parameter.item(), rel=1e-6)  # m and v were given in float32
    assert Tally.flops + costs.ELEMENTARY * Tally.elementary == UPDATE
    floor = stages("train_update")["optimiser"]
    count = sum(p.numel() for p in built()[0].parameters())
    assert (floor.flops, floor.minimum_bytes) == (UPDATE * count, 7 * 4 * count)
    assert floor.backward_flops == floor.backward_minimum_bytes == 0


def test_checkpoints_cost_a_forward_pass_of_the_mixer_more_and_keep_less():
    plain, again = (
        {mode: SEM.estimate(VARIANT | {"checkpointing": level}, CONDITIONS | {"layers": 8}, mode) for mode in SEM.modes}
        for level in ("none", "every_k")
    )
    for mode in SEM.modes:
        if mode in TRAINING:
            assert plain[mode].flops < again[mode].flops < 4 / 3 * plain[mode].flops
            assert again[mode].activation_bytes < plain[mode].activation_bytes
        else:
            assert plain[mode] == again[mode]
    assert (CHECKPOINTED, CHUNK, SHARE, COLUMNS) == (K, loss.ENTRIES, loss.SHARE, loss.COLUMNS)
    assert plain["train_update"].parameter_bytes == 3 * plain["train_step"].parameter_bytes
