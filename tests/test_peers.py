"""Peers compute what our levels compute where they are installed; where not, a level says what installs them."""

from importlib.util import find_spec

import pytest
import torch
from pieces_helpers import TWO_29, called, conditions

from harness.measure import guards
from harness.system import System
from sem_impl.peers import CAYLEY, LOSS, SCAN, SINKHORN, installed
from sem_impl.peers.system import LOSSES, SCANS, SOLVES, TRANSPORTS

NEEDS = {
    "jax_scan": "jax",
    "jax_associative_scan": "jax",
    "mambapy": "mambapy",
    "pot": "ot",
    "ott": "ott",
    "ott_kernel": "ott",
    "lineax_bicgstab": "lineax",
}


def peers(levels):
    """Those that are here; the others are skipped with the package they lack."""
    lacks = {level: NEEDS[level] for level in levels if level in NEEDS and find_spec(NEEDS[level]) is None}
    marks = {level: [pytest.mark.skip(reason=f"{name} is not installed")] for level, name in lacks.items()}
    return [pytest.param(level, marks=marks.get(level, [])) for level in levels]


def variant(system, name, level):
    return {**system.variants["status_quo"], name: level}


def equal(system, name, level, mode="forward", dtype="float64", slack=1.0, **given):
    """Within what is declared of a level of ours, against our oracle's level."""
    oracle = next(switch for switch in system.switches if switch.name == name).oracle
    model, _, found = called(system, variant(system, name, level), mode, dtype, **given)
    ours, _, truth = called(system, variant(system, name, oracle), mode, "float64", **given)
    wanted = {key: guards.as_array(tensor) for key, tensor in truth.tensors.items()}
    allowed = slack * system.rounding * (TWO_29 if dtype == "float64" else 1)
    assert guards.relative_error(found.tensors, wanted) <= allowed
    if mode == "train_step":
        error = guards.gradient_error(guards.gradients(model), guards.gradients(ours))
        assert error <= allowed * system.gradient_slack


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("level", peers(SCANS))
def test_scans(level, dtype):
    equal(SCAN, "scan", level, dtype=dtype)


@pytest.mark.parametrize("level", peers(["jax_scan", "jax_associative_scan"]))
def test_scans_of_jax_have_our_gradients(level):
    equal(SCAN, "scan", level, "train_step")


@pytest.mark.parametrize("level", peers(["mambapy"]))
def test_a_wrong_gradient_of_a_peer_is_seen(level):
    """mambapy's adjoint does not conjugate: of complex numbers it is another gradient, and no slower or faster one."""
    with pytest.raises(AssertionError):
        equal(SCAN, "scan", level, "train_step")


@pytest.mark.parametrize("updates", [1, 20])
@pytest.mark.parametrize("level", peers(TRANSPORTS))
def test_transports_after_equally_many_updates(level, updates):
    equal(SINKHORN, "sinkhorn", level, updates=updates)


@pytest.mark.parametrize("level", peers(TRANSPORTS))
def test_transports_in_float32(level):
    equal(SINKHORN, "sinkhorn", level, dtype="float32")


@pytest.mark.parametrize("level", peers(SOLVES))
def test_solves_are_within_the_tolerance_of_ours(level):
    system = CAYLEY
    tolerance = next(switch for switch in system.switches if switch.name == "tolerance")
    model, _, found = called(system, variant(system, "method", level), "forward", "float32")
    _, _, truth = called(system, variant(system, "method", "direct"), "forward", "float64")
    wanted = {name: guards.as_array(tensor) for name, tensor in truth.tensors.items()}
    allowed = tolerance.tolerance["fixed"] * tolerance.growth(conditions(system)) + system.rounding
    assert guards.relative_error(found.tensors, wanted) <= allowed
    assert system.read_probes(model, None) == {}


@pytest.mark.skipif(not hasattr(torch.nn.functional, "linear_cross_entropy"), reason="this torch has none")
@pytest.mark.filterwarnings("error:.*linear_cross_entropy")
@pytest.mark.parametrize("level", LOSSES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_losses(level, dtype):
    """A warning would be that torch takes another path than the level is named for."""
    equal(LOSS, "loss", level, "train_step", dtype)
    equal(LOSS, "loss", level, "forward", dtype)


@pytest.mark.parametrize(("system", "name", "level"), [(SINKHORN, "sinkhorn", "pot"), (CAYLEY, "method", "scipy_splu")])
def test_a_peer_without_a_gradient_of_ours_has_no_train_step(system, name, level):
    with pytest.raises(ValueError, match=f"{level} has no train_step here; mode forward would do"):
        system.estimate(variant(system, name, level), conditions(system), "train_step")


@pytest.mark.parametrize("system", [CAYLEY, LOSS, SCAN, SINKHORN], ids=lambda one: one.name)
def test_they_are_systems_whose_variants_are_complete(system):
    assert isinstance(system, System)
    levels = {switch.name: switch.levels for switch in system.switches}
    for named in system.variants.values():
        assert named.keys() == levels.keys()
        assert all(named[name] in levels[name] for name in levels)


def test_a_missing_peer_says_what_installs_it():
    with pytest.raises(ModuleNotFoundError, match=r'no_such_peer is not installed .*; pip install .*"\.\[peers\]"'):
        installed.peer("no_such_peer.part")


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_what_only_gradients_need_is_not_paid_without_them():
    from sem_impl.peers.arrays import compiled

    function = compiled(lambda x: x + 1, lambda x: x + 2)
    parameter = torch.nn.Parameter(torch.zeros(3))
    with torch.no_grad():
        assert function(parameter).tolist() == [1, 1, 1]
    assert function(parameter).tolist() == [2, 2, 2]


@pytest.mark.skipif(find_spec("jax") is None, reason="jax is not installed")
def test_the_process_has_all_its_processors_after_jax_began():
    import os

    before = os.sched_getaffinity(0)
    installed.jax()
    assert os.sched_getaffinity(0) == before
