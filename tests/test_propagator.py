import copy

import pytest
import torch
from propagator_helpers import cayley, growth, relative, rounding, rows_of, uncompiled

from sem_impl.initial import Initial
from sem_impl.kernels import KERNELS
from sem_impl.propagator import TOLERANCES, Propagator
from sem_impl.solve import METHODS


@pytest.fixture(autouse=True)
def formulas_only(monkeypatch):
    uncompiled(monkeypatch)


def propagator(dtype=torch.float32, seed=0, **changes):
    levels = {"method": "cocg", "matrix": "cached", "preconditioner": "none", "tolerance": "fixed", "kernels": "eager"}
    numbers = {"layers": 1, "P": 256, "dt": 0.1, "training_step": 0, "max_iterations": 50}
    return Propagator(Initial(seed, dtype), **(levels | numbers | changes))


def test_initial_values():
    layer = propagator(P=2048).layers[0]
    assert torch.equal(layer.kappa, torch.ones(2048))
    assert torch.allclose(torch.nn.functional.softplus(layer.strength), torch.ones(3))
    assert abs(layer.eta.std().item() - 0.1) < 4 * 0.1 / (2 * 3 * 2048) ** 0.5
    assert abs(layer.eta.mean().item()) < 4 * 0.1 / (3 * 2048) ** 0.5


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("method", ["cocg", "cgnr", "chebyshev", "direct"])
def test_a_layer_is_kerr_then_cayley(method, kernels):
    model = propagator(torch.float64, method=method, kernels=kernels)
    psi = rows_of(6, 256).reshape(2, 3, 256)
    out = model(psi)
    assert out.shape == psi.shape
    rows, layer = psi.reshape(6, 256), model.layers[0]
    q = rows * torch.exp(1j * layer.kappa * rows.abs() ** 2)
    weights = layer.weights().detach()
    assert relative(out.reshape(6, 256), cayley(q, weights, 0.05)) <= 1e-6 * growth(weights, 0.05)


@pytest.mark.parametrize("dt", [0.02, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("method", ["cocg", "cgnr", "chebyshev", "direct"])
def test_energy_stays_through_eight_layers(method, dt):
    model = propagator(method=method, layers=8, dt=dt)
    psi = rows_of(16, 256, dtype=torch.complex64)
    with torch.no_grad():
        kept = model(psi).norm(dim=1) / psi.norm(dim=1)
    assert (kept - 1).abs().max() <= 1e-4
    assert model.probe(psi)[0]["norm_defect"] <= 1e-5


def test_tolerances_follow_training_and_evaluation_is_exact():
    assert [TOLERANCES["adaptive"](n) for n in (0, 999, 1000, 9999, 10_000)] == [1e-4, 1e-4, 1e-5, 1e-5, 1e-6]
    assert TOLERANCES["fixed"](0) == 1e-6
    model = propagator(tolerance="adaptive")
    assert model.step().tolerance == 1e-4
    assert model.eval().step().tolerance == 1e-6


def test_a_looser_tolerance_takes_fewer_iterations():
    psi = rows_of(8, 256, dtype=torch.complex64)
    means = [
        propagator(tolerance="adaptive", training_step=number).probe(psi)[0]["iterations_mean"]
        for number in (0, 1000, 10_000)
    ]
    assert means[0] < means[1] < means[2]
    assert means[2] == propagator().probe(psi)[0]["iterations_mean"]


def test_probe_reads_every_layer_and_repeats():
    model, psi = propagator(layers=3), rows_of(8, 256, dtype=torch.complex64)
    readings, evolved = model.probe(psi)
    again, _ = model.probe(psi)
    assert readings == again
    with torch.no_grad():
        assert torch.equal(evolved, model(psi))
        assert torch.equal(model.probe(psi.view(2, 4, 256))[1], evolved.view(2, 4, 256))
    assert readings["outcome"] == "converged"
    assert readings["residual"] <= growth(model.layers[0].weights().detach(), 0.05) * (
        1e-6 + rounding(torch.float32, readings["iterations_max"])
    )
    assert 3 * readings["iterations_mean"] + 3 <= readings["products"] <= 3 * (readings["iterations_max"] + 1)


def test_probe_tells_the_worst_layer():
    psi = rows_of(8, 256, dtype=torch.complex64)
    readings, _ = propagator(method="cg", layers=2).probe(psi)
    assert readings["outcome"] == "stalled"
    assert readings["residual"] > 1e-3
    assert readings["iterations_max"] == 50
    assert propagator(method="cg", dt=1.0).probe(psi)[0]["outcome"] == "diverged"


@pytest.mark.parametrize("method", METHODS)
def test_calls_leave_no_trace(method):
    """Equal calls give equal bits, whatever came between; inputs stay as they were."""
    model, psi = propagator(method=method), rows_of(1, 256, dtype=torch.complex64)
    before = psi.clone()
    with torch.no_grad():
        first = model(psi)
        model(3 * psi)
        model.probe(psi)
        assert torch.equal(model(psi), first)
    assert torch.equal(psi, before)
    assert torch.equal(model(psi.requires_grad_()).detach(), first)


def test_the_dense_matrix_follows_the_parameters(monkeypatch):
    """Built once in inference, in every call with gradients, and anew when a parameter, or its dtype, changed."""
    from sem_impl import propagator as module

    built = []
    real = module.unitary
    monkeypatch.setattr(module, "unitary", lambda weights, a: built.append(1) or real(weights, a))
    model, psi = propagator(method="direct"), rows_of(2, 256, dtype=torch.complex64)
    with torch.no_grad():
        first = model(psi)
        model(psi)
        assert len(built) == 1
        model.layers[0].eta.add_(0.5)
        changed = model(psi)
        assert len(built) == 2
    assert (changed - first).abs().max() > 1e-2
    model(psi)
    model(psi)
    assert len(built) == 4
    with torch.no_grad():
        assert torch.equal(copy.deepcopy(model)(psi), changed)
        double = model.double()(psi.to(torch.complex128))
    assert relative(changed, double) < 1e-5


def test_layers_have_their_own_parameters():
    model = propagator(layers=2)
    assert not torch.equal(model.layers[0].eta, model.layers[1].eta)
    assert torch.equal(model.layers[0].eta, propagator(layers=1).layers[0].eta)


@pytest.mark.parametrize("P", [64, 128])
def test_narrow_graphs_are_refused(P):
    with pytest.raises(ValueError, match="more than 128 nodes"):
        propagator(P=P)


@pytest.mark.parametrize("dt", [0.0, float("nan"), float("inf")])
def test_steps_that_are_none_are_refused(dt):
    with pytest.raises(ValueError, match="finite dt"):
        propagator(dt=dt)
