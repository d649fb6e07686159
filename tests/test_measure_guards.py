"""Guards see a wrong number in any tensor, at any size, and say how wrong."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.measure import guards, lost, memory
from harness.measure.once import tolerances
from harness.measure.resident import outcome_of
from harness.records import CellSummary, Sameness
from harness.sameness import sameness_word, unchecked_because
from harness.system import Switch


def test_relative_error_is_the_norm_of_the_difference_over_the_norm():
    oracle = {"a": np.array([3.0, 4.0]), "b": np.array([0.0])}
    assert guards.relative_error({"a": np.array([3.0, 4.0]), "b": np.array([0.05])}, oracle) == pytest.approx(0.01)


def test_relative_error_holds_across_slabs_and_for_complex_numbers():
    truth = np.ones(5_000_000, dtype=np.complex128)
    found = truth.copy()
    found[-1] += 1j * 2236.06797749979
    assert guards.relative_error({"x": found}, {"x": truth}) == pytest.approx(1.0)


@pytest.mark.parametrize("found", [{}, {"a": np.zeros(3)}, {"b": np.ones(2)}])
def test_another_shape_or_name_is_infinitely_wrong(found):
    assert guards.relative_error(found, {"a": np.ones(2)}) == float("inf")


@given(st.floats(1e-6, 1e-1))
def test_a_wrong_gradient_in_a_small_parameter_is_not_hidden_by_a_large_one(planted):
    oracle = {"large": np.full(10_000, 1.0), "small": np.full(4, 1.0)}
    found = {"large": oracle["large"], "small": oracle["small"] * (1 + planted)}
    assert guards.gradient_error(found, oracle) == pytest.approx(planted, rel=1e-6)


def test_rounding_in_a_vanishing_gradient_is_measured_against_the_typical_one():
    oracle = {"large": np.full(100, 1.0), "zero": np.zeros(100)}
    found = {"large": oracle["large"], "zero": np.full(100, 1e-8)}
    assert guards.gradient_error(found, oracle) == pytest.approx(1e-8 / (guards.FAINT * np.sqrt(0.5)))


def test_a_single_number_s_gradient_is_measured_against_the_typical_one():
    """It may cancel to anything: here to a thousandth."""
    oracle = {"one": np.full(99, 1.0), "other": np.full(5, -2.0), "scalar": np.array(1e-3)}
    found = {**oracle, "scalar": np.array(1e-3 + 1e-5)}
    assert guards.gradient_error(found, oracle) == pytest.approx(1e-5, rel=1e-6)
    assert guards.gradient_error({**found, "scalar": np.array(-1.0)}, oracle) > 1


def test_one_steep_parameter_does_not_hide_a_single_number_with_the_wrong_sign():
    oracle = {"steep": np.full(10_000, 1e3), "one": np.ones(100), "other": np.ones(50), "scalar": np.array(1.0)}
    assert guards.gradient_error({**oracle, "scalar": np.array(-1.0)}, oracle) == pytest.approx(2)


@pytest.mark.parametrize(
    ("error", "tolerance", "word"),
    [(0.5, 0.9, "holds"), (0.5, 1.0, "not checked"), (1.0, 7.0, "not checked"), (8.0, 7.0, "broken")],
)
def test_a_tolerance_that_zeros_would_meet_has_checked_no_gradient(error, tolerance, word):
    compared = {"error": 0.0, "tolerance": 1e-5, "gradient_error": error, "gradient_tolerance": tolerance}
    same = Sameness(cell="c", at="", output_digest="", parameter_digest="", parameters=1, **compared)
    assert sameness_word(same) == word
    told = unchecked_because(CellSummary(cell="c", part="p", name="steep", outcome="measured", **compared))
    assert told.startswith(f"gradients of steep have a tolerance of {tolerance:.2g}, ")
    nothing = CellSummary(cell="c", part="p", name="steep", outcome="measured")
    assert unchecked_because(nothing) == "outputs of steep were not compared with the oracle"


def test_a_level_adds_its_tolerance_and_multiplies_by_its_gain_where_it_is_alive():
    switches = (
        Switch("a", ("x", "y"), "approximate", "s", tolerance={"y": 1e-3}, growth=lambda c: c["layers"]),
        Switch("b", ("x", "y"), "approximate", "s", tolerance={"y": 1e-2}, modes=("train_step",)),
        Switch("c", ("x", "y"), "different", "s", gain={"y": 3.0}, gradient_gain={"y": lambda c: 10 * c["layers"]}),
        Switch("d", ("x", "y"), "different", "s", gain={"y": 7.0}, applies=lambda v: v["a"] == "x"),
    )
    system = SimpleNamespace(rounding=1e-5, switches=switches, gradient_slack=5.0)
    both = partial(tolerances, system, conditions={"layers": 2})

    def allowed(variant, mode):
        return both(variant, mode=mode).outputs

    nothing = {"a": "x", "b": "x", "c": "x", "d": "x"}
    assert allowed(nothing, mode="forward") == 1e-5
    assert allowed(nothing | {"a": "y", "c": "y"}, mode="forward") == pytest.approx(3 * (1e-5 + 2e-3))
    assert allowed(nothing | {"d": "y"}, mode="forward") == pytest.approx(7e-5)
    assert both(nothing | {"d": "y"}, mode="forward").gradients == pytest.approx(5 * 7e-5)
    assert both(nothing | {"c": "y", "d": "y"}, mode="forward").gradients == pytest.approx(5 * 20 * 7e-5)
    assert allowed(nothing | {"a": "y", "d": "y"}, mode="forward") == pytest.approx(1e-5 + 2e-3)
    assert allowed(nothing | {"b": "y"}, mode="forward") == 1e-5
    assert allowed(nothing | {"b": "y"}, mode="train_step") == pytest.approx(1e-5 + 1e-2)


def test_outside_its_modes_a_switch_adds_what_its_oracle_level_does():
    """A solver that stops at its fixed tolerance in a prefill, where no level can be chosen, still stops there."""
    levels = {"fixed": 1e-6, "loose": 1e-4}
    switch = Switch("t", tuple(levels), "approximate", "s", tolerance=levels, oracle="fixed", modes=("forward",))
    unused = Switch("u", ("x",), "approximate", "s", tolerance={"x": 1.0}, oracle="x", applies=lambda _: False)
    system = SimpleNamespace(rounding=1e-5, switches=(switch, unused), gradient_slack=5.0)
    allowed = {mode: tolerances(system, {"t": "loose", "u": "x"}, {}, mode).outputs for mode in ("forward", "prefill")}
    assert allowed == pytest.approx({"forward": 1e-5 + 1e-4, "prefill": 1e-5 + 1e-6})


def test_finite_sees_one_nan_among_many():
    tensor = torch.ones(1000, dtype=torch.complex64)
    assert guards.finite({"x": tensor})
    tensor[999] = complex(0, float("nan"))
    assert not guards.finite({"x": tensor})


def test_as_array_resolves_conjugates():
    tensor = torch.tensor([1 + 2j]).conj()
    assert guards.as_array(tensor)[0] == 1 - 2j


def test_equal_digests_mean_equal_bits_names_and_shapes():
    one = np.arange(4.0)
    assert guards.digest([("a", one)]) == guards.digest([("a", one.copy())])
    others = [("b", one), ("a", one.reshape(2, 2)), ("a", one.astype(np.float32)), ("a", -one)]
    assert len({guards.digest([("a", one)]), *(guards.digest([other]) for other in others)}) == 5


def test_exceptions_become_the_right_word():
    assert outcome_of(MemoryError(), "c", "warm-up").outcome == "out_of_memory"
    text = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"
    assert outcome_of(RuntimeError(text), "c", "warm-up").outcome == "out_of_memory"
    assert outcome_of(ValueError("no"), "c", "warm-up").outcome == "failed"


def test_lost_share_is_the_idle_part_of_a_one_thread_sample():
    watch = lost.Watch(threads=1)
    before, after = lost.Reading(0, 0, 0), lost.Reading(1_000_000, 900_000, 20_000)
    assert watch.between(before, after).share == pytest.approx(0.1)
    before, after = lost.Reading(0, 0, None), lost.Reading(1_000_000, 900_000, None)
    assert watch.between(before, after).share == pytest.approx(0.1)


def test_lost_share_of_several_threads_is_their_waiting_or_unknown():
    watch = lost.Watch(threads=2)
    assert watch.between(lost.Reading(0, 0, 0), lost.Reading(1_000_000, 0, 100_000)).share == pytest.approx(0.05)
    assert watch.between(lost.Reading(0, 0, None), lost.Reading(1_000_000, 0, None)).share is None


@pytest.mark.skipif(not memory.can_reset_peak(), reason="needs /proc/self/clear_refs (Linux)")
def test_the_peak_sees_what_was_allocated_and_freed_again():
    memory.settle()
    memory.reset_peak()
    before = memory.resident_bytes()
    block = np.ones(64 << 20, dtype=np.uint8)
    del block
    assert memory.peak_bytes() - before == pytest.approx(64 << 20, rel=0.1)
