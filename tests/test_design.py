"""Which cells a design has, what they are called, and which are one."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plan_helpers import ALL_ON, CONTROLS, STATUS_QUO, SWITCHES, SYSTEM, names, plan_of

from harness.cells import cell_id
from harness.variants import canonical


def part_of(tmp_path, body, **options):
    (part,) = plan_of(tmp_path, body, **options).parts
    return part


def test_pair_is_the_baseline_each_variant_against_it_and_the_control(tmp_path):
    part = part_of(tmp_path, "design: pair\nagainst: [all_on, {matrix: cached}]\n")
    assert names(part, control=True) == ["status_quo", "all_on", "matrix=cached", *CONTROLS]
    baseline, against, _, control, _, _ = part.cells
    assert baseline.variant == control.variant == STATUS_QUO
    assert against.variant == ALL_ON
    assert {cell.baseline for cell in part.cells} == {baseline.id}
    assert [cell.control for cell in part.cells] == [False, False, False, True, True, True]
    assert control.conditions == baseline.conditions
    assert part.factors["matrix"] == ("rebuild", "cached")


def test_one_at_a_time_changes_one_switch_to_each_other_level(tmp_path):
    part = part_of(
        tmp_path, "design: one_at_a_time\nfactors: {method: [direct, cg], head: [born, loglinear]}\nalso: all_on\n"
    )
    assert names(part) == ["status_quo", "method=direct", "method=cg", "head=loglinear", "all_on"]
    for cell in part.cells[1:4]:
        assert sum(cell.variant[name] != STATUS_QUO[name] for name in STATUS_QUO) == 1
    assert part.factors == {"method": ("cocg", "direct", "cg"), "head": ("born", "loglinear")}


def test_full_factorial_is_every_combination_once(tmp_path):
    part = part_of(
        tmp_path,
        "baseline: {head: loglinear}\ndesign: full_factorial\n"
        "factors: {method: [cocg, cg], matrix: [rebuild, cached], preconditioner: [none, jacobi], trim: [on]}\n",
    )
    assert len(names(part)) == 16
    combinations = {tuple(cell.variant[name] for name in part.factors) for cell in part.cells}
    assert combinations == set(product(*part.factors.values()))
    assert names(part)[0] == "baseline"
    assert names(part)[-1] == "method=cg, matrix=cached, preconditioner=jacobi, trim=on"
    assert part.notes == ()


def test_grid_merges_what_a_switch_that_does_not_apply_would_double(tmp_path):
    part = part_of(
        tmp_path,
        "design: grid\nfactors: {method: [cg, cocg, direct], matrix: [cached], preconditioner: [none, jacobi]}\n",
    )
    assert len(names(part)) == 3 * 2 * 2 - 3  # under direct the four combinations are one
    direct = next(cell for cell in part.cells if cell.variant["method"] == "direct")
    assert direct.name == "method=direct"
    assert direct.merged == (
        "method=direct, preconditioner=jacobi",
        "method=direct, matrix=cached",
        "method=direct, matrix=cached, preconditioner=jacobi",
    )
    assert direct.merged_variants[0] == STATUS_QUO | {"method": "direct", "preconditioner": "jacobi"}
    assert direct.variant == STATUS_QUO | {"method": "direct"}
    assert part.notes == (
        "method=direct stands for 3 more (method=direct, preconditioner=jacobi; method=direct, matrix=cached; "
        "method=direct, matrix=cached, preconditioner=jacobi): "
        "they differ from it at most in switches that do not apply",
    )


def test_a_dead_switch_takes_the_baselines_level(tmp_path):
    part = part_of(
        tmp_path,
        "design: pair\nbaseline: {matrix: cached, preconditioner: jacobi}\n"
        "against: [{method: direct}, {method: direct, matrix: rebuild}]\n",
    )
    assert names(part) == ["baseline", "method=direct"]
    assert part.cells[1].variant == STATUS_QUO | {"method": "direct", "matrix": "cached", "preconditioner": "jacobi"}
    assert part.cells[1].merged == ("method=direct, matrix=rebuild",)


def test_switches_that_hang_on_one_another_die_together():
    """edge applies where trim is on, trim where the head is log-linear: with the head born, both are dead."""
    asked = STATUS_QUO | {"trim": "on", "edge": "hard"}
    assert canonical(SYSTEM, "forward", asked, STATUS_QUO) == STATUS_QUO
    alive = asked | {"head": "loglinear"}
    assert canonical(SYSTEM, "forward", alive, STATUS_QUO) == alive


VARIANTS = st.fixed_dictionaries({switch.name: st.sampled_from(switch.levels) for switch in SWITCHES})


@given(VARIANTS, VARIANTS)
def test_a_canonical_variant_is_its_own_canonical_variant(variant, baseline):
    settled = canonical(SYSTEM, "forward", variant, baseline)
    assert canonical(SYSTEM, "forward", settled, baseline) == settled
    for switch in SWITCHES:
        levels = {variant[switch.name], baseline[switch.name]} if switch.applies(settled) else {baseline[switch.name]}
        assert settled[switch.name] in levels
    assert (settled["method"], settled["head"]) == (variant["method"], variant["head"])  # these always apply


def test_every_combination_of_conditions_has_a_baseline_of_its_own_and_the_part_controls_of_one(tmp_path):
    part = part_of(tmp_path, "design: pair\nagainst: all_on\nconditions: {dt: [0.5, 1], batch_size: [1, 4]}\n")
    assert len(names(part)) == 8
    assert names(part, control=True)[0] == "status_quo, dt=0.5, batch_size=1"
    assert names(part, control=True)[-4:] == ["all_on, dt=1, batch_size=4", *CONTROLS]
    assert part.varied_conditions == {"dt": (0.5, 1.0), "batch_size": (1, 4)}
    by_id = {cell.id: cell for cell in part.cells}
    assert len(by_id) == len(part.cells) == 11
    for cell in part.cells:
        baseline = by_id[cell.baseline]
        assert baseline.variant == STATUS_QUO
        assert baseline.conditions == cell.conditions
        assert baseline.baseline == baseline.id


def test_a_grid_of_conditions_alone_is_a_design(tmp_path):
    part = part_of(tmp_path, "design: grid\nconditions: {dt: [0.1, 0.2, 0.5]}\n")
    assert names(part) == ["status_quo, dt=0.1", "status_quo, dt=0.2", "status_quo, dt=0.5"]


def test_conditions_are_complete_and_in_their_own_type(tmp_path):
    part = part_of(tmp_path, "design: pair\nagainst: all_on\nsize: document\nconditions: {batch_size: 1, dt: 1}\n")
    assert part.cells[0].conditions == {
        "batch_size": 1,
        "width": 64,
        "dt": 1.0,
        "threads": 1,
        "allocator": "default",
        "flush_denormal": False,
        "dtype": "float32",
        "device": "virtual",
    }
    assert isinstance(part.cells[0].conditions["dt"], float)


@pytest.mark.parametrize("given_name", ["all_on", "status_quo"])
def test_a_named_variant_keeps_its_name(tmp_path, given_name):
    part = part_of(tmp_path, f"design: pair\nbaseline: {{matrix: cached}}\nagainst: {given_name}\n")
    assert names(part) == ["baseline", given_name]


def test_a_variant_planned_twice_is_one_cell(tmp_path):
    part = part_of(
        tmp_path,
        "design: grid\nalso: all_on\n"
        "factors: {matrix: [cached], preconditioner: [jacobi], head: [loglinear], trim: [on], edge: [hard]}\n",
    )
    everything = part.cells[-1 - len(CONTROLS)]
    assert everything.name == "matrix=cached, preconditioner=jacobi, head=loglinear, trim=on, edge=hard"
    assert everything.merged == ("all_on",)


CONDITIONS = {"batch_size": 2, "dt": 0.1, "flush_denormal": False, "device": "cpu"}


def test_an_id_depends_on_what_is_measured_and_on_nothing_else():
    one = cell_id("sem", "forward", STATUS_QUO, CONDITIONS, control=False)
    turned = [dict(reversed(mapping.items())) for mapping in (STATUS_QUO, CONDITIONS)]
    assert cell_id("sem", "forward", *turned, control=False) == one
    others = {
        cell_id("sem", "forward", STATUS_QUO, CONDITIONS, control=True),
        cell_id("sem", "train_step", STATUS_QUO, CONDITIONS, control=False),
        cell_id("sem_propagator", "forward", STATUS_QUO, CONDITIONS, control=False),
        cell_id("sem", "forward", STATUS_QUO | {"head": "loglinear"}, CONDITIONS, control=False),
        cell_id("sem", "forward", STATUS_QUO, CONDITIONS | {"dt": 0.2}, control=False),
    }
    assert len(others | {one}) == 6


def test_ids_are_equal_in_every_process():
    here = cell_id("sem", "forward", STATUS_QUO, CONDITIONS, control=False)
    script = "import json, sys; from harness.cells import cell_id; a, b = json.load(sys.stdin); "
    script += "print(cell_id('sem', 'forward', a, b, control=False))"
    for seed in ("1", "2"):
        there = subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps([STATUS_QUO, CONDITIONS]),
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parent,
        ).stdout.strip()
        assert there == here
    assert here == "fdb0490ab460"  # written down: a change of ids would cut every stored run off


def test_the_order_of_keys_in_a_suite_changes_no_id(tmp_path):
    one = part_of(tmp_path, "design: pair\nbaseline: {method: cg, head: born}\nagainst: {matrix: cached, trim: off}\n")
    two = part_of(tmp_path, "against: {trim: off, matrix: cached}\nbaseline: {head: born, method: cg}\ndesign: pair\n")
    assert [cell.id for cell in one.cells] == [cell.id for cell in two.cells]
