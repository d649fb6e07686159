"""Plans: who shares a process and fits, what the command line overrides, and that no torch is needed."""

import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_helpers import ALL_ON, CONTROLS, GB, HEAD, STATUS_QUO, names, plan_of

from harness.command import command
from harness.conditions import cores
from harness.errors import SuiteError, UsageError
from harness.plan import PRESETS, make_plan
from harness.records import Group, Plan
from harness.report.words import under
from harness.schedule import planned_jobs
from harness.suite import read_suite
from harness.systems import load_system, system_names

SUITES = Path(__file__).resolve().parent.parent / "suites"
PAIR = "design: pair\nagainst: all_on\n"
BATCHES = "design: pair\nagainst: all_on\nconditions: {width: 10, batch_size: [100, 200, 300]}\n"


def test_a_plan_says_what_the_suite_says(tmp_path):
    plan = plan_of(tmp_path, PAIR + "margin: 0.05\nseed: 7\nblocks: 4\nclaims: [a.*]\nmemory: false\ntimeout_s: 9\n")
    (part,) = plan.parts
    assert (plan.suite, plan.title, plan.margin, plan.seed, plan.claims) == ("seop", "Does it hold?", 0.05, 7, ("a.*",))
    assert (plan.preset, plan.trials, plan.max_minutes, plan.only) == ("quick", 6, None, ())
    assert (part.name, part.system, part.mode, part.size) == ("seop", "plan_helpers:SYSTEM", "forward", None)
    assert (part.blocks, part.memory, part.timeout_s, part.stages) == (4, False, 9.0, ("encoder", "head"))
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_stages_are_left_out_where_the_suite_says_so_or_there_are_none(tmp_path):
    assert plan_of(tmp_path, PAIR + "stages: false\n").parts[0].stages == ()
    assert plan_of(tmp_path, PAIR, HEAD.replace("SYSTEM", "BARE")).parts[0].stages == ()


def test_a_group_needs_the_process_the_parameters_and_the_largest_activation(tmp_path):
    """width 10: parameters 0.1 GB under each of three conditions, activations 1, 2 and 3 GB."""
    (part,) = plan_of(tmp_path, BATCHES).parts
    assert len(part.groups) == 1
    assert part.estimated_bytes == pytest.approx(1.5e9 + 3 * 0.1e9 + 3e9)
    assert part.estimated_flops == pytest.approx(9 * 1e7)  # six cells and three controls
    assert part.notes == ()


def test_the_processes_of_a_part_are_first_by_turns(monkeypatch, tmp_path):
    """So that a machine that slows down or speeds up in the meantime is in the interval of what compares them."""
    monkeypatch.setattr("harness.conditions.cores", lambda: 2)
    plan = plan_of(tmp_path, PAIR + "conditions: {threads: [1, 2]}\n")
    order = [job.group for job in planned_jobs(plan) if job.process == "trial"]
    assert order == [0, 1, 1, 0] * (plan.trials // 2)


@pytest.mark.parametrize("varied", ["threads: [1, 2]", "allocator: [default, keep]", "flush_denormal: [false, true]"])
def test_every_process_holds_cells_of_one_group(monkeypatch, tmp_path, varied):
    """What compares outputs too: a process has one thread count, and what it finds is said of cells of that count."""
    monkeypatch.setattr("harness.conditions.cores", lambda: 2)
    plan = plan_of(tmp_path, PAIR + f"conditions: {{{varied}}}\n")
    (part,) = plan.parts
    name = varied.partition(":")[0]
    by_id = {cell.id: cell for cell in part.cells}
    jobs = planned_jobs(plan)
    for job in jobs:
        assert set(job.cells) <= set(part.groups[job.group].cells)
        assert len({by_id[cell].conditions[name] for cell in job.cells}) == 1
    for kind in ("prepare", "sameness"):
        assert [(job.group, job.cells) for job in jobs if job.process == kind] == [
            (group.index, group.cells) for group in part.groups
        ]
    assert len({job.key for job in jobs}) == len(jobs)


def test_a_baseline_that_several_groups_hold_is_compared_once(tmp_path):
    body = "design: pair\nagainst: [all_on, {method: direct}, {method: cg}]\nsize: document\n"
    (part,) = plan_of(tmp_path, body).parts
    baseline, *others = (cell.id for cell in part.cells)
    split = [Group(part=part.name, index=0, cells=(baseline, others[0]))]
    split.append(Group(part=part.name, index=1, cells=(baseline, *others[1:])))
    plan = plan_of(tmp_path, body)
    plan = plan.model_copy(update={"parts": (part.model_copy(update={"groups": tuple(split)}),)})
    compared = [job.cells for job in planned_jobs(plan) if job.process == "sameness"]
    assert compared == [(baseline, others[0]), tuple(others[1:])]


def test_threads_that_the_machine_has_no_cores_for_leave_the_rest_of_the_part(monkeypatch, tmp_path):
    monkeypatch.setattr("harness.conditions.cores", lambda: 1)
    (part,) = plan_of(tmp_path, PAIR + "conditions: {threads: [1, 2]}\n").parts
    assert part.varied_conditions == {}
    assert {cell.conditions["threads"] for cell in part.cells} == {1}
    assert part.notes == ("threads 2: not testable here, cores that may be used: 1",)
    with pytest.raises(SuiteError, match=r"conditions.threads: 2 is above the range"):
        plan_of(tmp_path, PAIR + "conditions: {threads: [2, 4]}\n")


def test_a_part_without_times_has_no_trials_and_no_controls(tmp_path):
    plan = plan_of(tmp_path, PAIR + "times: false\n")
    assert {job.process for job in planned_jobs(plan)} == {"sameness", "memory"}
    assert not any(cell.control for cell in plan.parts[0].cells)
    assert plan.parts[0].stages == ()


def test_cells_that_do_not_fit_together_go_into_groups_that_hold_their_baselines(tmp_path):
    """4.7 GB hold the largest condition with one more (1.5 + 0.1 + 0.1 + 3), not all three."""
    (part,) = plan_of(tmp_path, BATCHES, available_bytes=4.7001 * GB / 0.8).parts
    by_id = {cell.id: cell for cell in part.cells}
    called = [[by_id[cell].name for cell in group.cells] for group in part.groups]
    assert called == [
        [
            "status_quo, batch_size=100",
            "all_on, batch_size=100",
            "status_quo, batch_size=200",
            "all_on, batch_size=200",
            *CONTROLS,
        ],
        ["status_quo, batch_size=300", "all_on, batch_size=300"],
    ]
    assert part.notes == (
        "2 groups of cells, each in a process of its own with the baseline: together they do not fit into memory "
        "(the largest group needs about 4.6 GB)",
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(1, 60), min_size=2, max_size=6, unique=True), st.floats(5.2, 16))
def test_whatever_the_budget_every_cell_has_a_place_beside_its_baseline(tmp_path, widths, budget):
    """Parameters reach 3.6 GB (width 60) and activations 0.12 GB, so 5.2 GB hold any cell."""
    body = f"design: pair\nagainst: [all_on, {{method: direct}}]\nconditions: {{width: {widths}}}\n"
    (part,) = plan_of(tmp_path, body, available_bytes=(budget + 0.1) * GB / 0.8).parts
    by_id = {cell.id: cell for cell in part.cells}
    placed = [cell for group in part.groups for cell in group.cells]
    assert set(placed) == set(by_id)
    assert len({cell for cell in placed if by_id[cell].baseline != cell}) == sum(
        by_id[cell].baseline != cell for cell in placed
    )
    for group in part.groups:
        assert {by_id[cell].baseline for cell in group.cells} <= set(group.cells)
        here = {by_id[cell].conditions["width"] for cell in group.cells}
        assert 1.5 + sum(width**2 for width in here) * 1e-3 + 2e-3 * max(here) <= budget + 0.1 + 1e-9
    assert [any(by_id[cell].control for cell in group.cells) for group in part.groups] == [True] + [False] * (
        len(part.groups) - 1
    )


def test_a_part_has_three_controls_where_they_are_cheap_and_one_where_they_are_not(tmp_path):
    """FLOPs are 1e6 x width: 3 GFLOP a block are cheap, and so is a tenth of what the block takes anyway."""
    few, many = PAIR, "design: grid\nfactors: {method: [cg, direct], matrix: [cached], preconditioner: [jacobi]}\n"

    def controls(body, width):
        (part,) = plan_of(tmp_path, body + f"conditions: {{width: {width}}}\n", available_bytes=1e6 * GB).parts
        assert len({cell.id for cell in part.cells}) == len(part.cells)
        return [cell.name for cell in part.cells if cell.control]

    assert controls(few, 740) == CONTROLS
    assert controls(few, 760) == ["control"]
    assert controls(many.replace("method", "head: [loglinear], trim: [on], edge: [hard], method"), 9000) == CONTROLS


def test_cells_under_other_threads_share_no_process_and_have_a_control_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setattr("harness.conditions.cores", lambda: 2)
    (part,) = plan_of(tmp_path, PAIR + "conditions: {threads: [1, 2]}\n").parts
    by_id = {cell.id: cell for cell in part.cells}
    assert names(part, control=True) == [
        "status_quo, threads=1",
        "all_on, threads=1",
        *(f"{control}, threads=1" for control in CONTROLS),
        "status_quo, threads=2",
        "all_on, threads=2",
        *(f"{control}, threads=2" for control in CONTROLS),
    ]
    for group in part.groups:
        assert len({by_id[cell].conditions["threads"] for cell in group.cells}) == 1
        assert [by_id[cell].control for cell in group.cells] == [False, False, True, True, True]
    assert [group.index for group in part.groups] == [0, 1]
    assert part.notes == ()


def test_one_cell_beyond_the_budget_is_refused_with_the_estimate_and_what_would_help(tmp_path):
    with pytest.raises(SuiteError) as caught:
        plan_of(tmp_path, PAIR + "size: document\n", available_bytes=5 * GB)
    assert caught.value.line == 6
    assert caught.value.message == (
        "size: cell 'status_quo' would need about 7.6 GB of memory, 4.0 GB may be used here; "
        "a smaller width or batch_size may do"
    )


def test_only_keeps_what_matches_with_its_baseline_and_the_control(tmp_path):
    body = "design: one_at_a_time\nfactors: {method: [cg], matrix: [cached], head: [loglinear]}\n"
    plan = plan_of(tmp_path, body, only=["matrix=cached", "head=*"])
    (part,) = plan.parts
    assert names(part, control=True) == ["status_quo", "matrix=cached", "head=loglinear", *CONTROLS]
    assert plan.only == ("matrix=cached", "head=*")
    assert part.notes == ("1 cells of the design are left out (only: matrix=cached, head=*)",)
    assert names(plan_of(tmp_path, body, only=["status_quo"]).parts[0], control=True) == ["status_quo", *CONTROLS]


def test_only_drops_parts_in_which_nothing_matches_and_names_a_part_by_a_slash(tmp_path):
    head = "suite: seop\ntitle: Does it hold?\n"
    one = "{system: 'plan_helpers:SYSTEM', design: pair, against: all_on}"
    two = "{system: 'plan_helpers:SYSTEM', design: pair, against: {matrix: cached}}"
    body = f"parts:\n  one: {one}\n  two: {two}\n"
    assert [part.name for part in plan_of(tmp_path, body, head).parts] == ["one", "two"]
    assert [part.name for part in plan_of(tmp_path, body, head, only=["matrix=cached"]).parts] == ["two"]
    assert [part.name for part in plan_of(tmp_path, body, head, only=["one/*"]).parts] == ["one"]


def test_only_finds_a_merged_cell_by_the_name_it_was_planned_under(tmp_path):
    body = "design: grid\nfactors: {method: [direct], matrix: [cached]}\n"
    (part,) = plan_of(tmp_path, body, only=["method=direct, matrix=cached"]).parts
    assert names(part) == ["status_quo", "method=direct"]


def test_settings_override_a_condition_wherever_there_is_one(tmp_path):
    body = PAIR + "conditions: {dt: [0.1, 0.2], batch_size: 4}\n"
    (part,) = plan_of(tmp_path, body, settings={"dt": "0.5", "batch_size": 8, "allocator": "keep"}).parts
    assert names(part) == ["status_quo", "all_on"]
    assert part.varied_conditions == {}
    conditions = part.cells[0].conditions
    assert (conditions["dt"], conditions["batch_size"], conditions["allocator"]) == (0.5, 8, "keep")


def test_threads_override_every_part(monkeypatch, tmp_path):
    monkeypatch.setattr("harness.conditions.cores", lambda: 2)
    (part,) = plan_of(tmp_path, PAIR + "conditions: {threads: 1}\n", threads=2).parts
    assert {cell.conditions["threads"] for cell in part.cells} == {2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "quik"}, "no preset 'quik'; semh offers smoke, quick, full, rigorous"),
        ({"max_minutes": 0}, "max-minutes 0; a positive number would do"),
        ({"max_minutes": float("nan")}, "max-minutes nan; a positive number would do"),
        ({"only": ["al_on"]}, "--only 'al_on': no such cell; the suite offers status_quo, all_on"),
        ({"settings": {"dtt": 1}}, "--set dtt: no condition 'dtt'; nearest is 'dt'"),
        ({"settings": {"dt": "soon"}}, "--set dt=soon: found 'soon'; dt takes a number from 0.001 to 10"),
        (
            {"settings": {"batch_size": 0}},
            "--set batch_size=0: 0 is below the range; batch_size takes a whole number from 1 to 4096",
        ),
        (
            {"settings": {"flush_denormal": "on"}},
            "--set flush_denormal=on: found 'on'; flush_denormal takes true or false",
        ),
        ({"threads": 0}, f"--set threads=0: 0 is below the range; threads takes a whole number from 1 to {cores()}"),
    ],
)
def test_a_wrong_option_is_one_line(tmp_path, options, message):
    with pytest.raises(UsageError) as caught:
        plan_of(tmp_path, PAIR, **options)
    assert str(caught.value) == message


def test_what_the_suite_expects_stands_at_the_cell(tmp_path):
    body = "design: grid\nfactors: {method: [cg, direct], head: [loglinear]}\n"
    body += "expect: [{cell: 'method=cg*', outcome: not_finite}]\n"
    (part,) = plan_of(tmp_path, body).parts
    for cell in part.cells:
        assert cell.expect == ("not_finite" if fnmatchcase(cell.name, "method=cg*") else None)
    assert sum(cell.expect is not None for cell in part.cells) == 2


def test_presets_are_numbers_of_trials(tmp_path):
    assert {name: plan_of(tmp_path, PAIR, preset=name).trials for name in PRESETS} == {
        "smoke": 2,
        "quick": 6,
        "full": 10,
        "rigorous": 20,
    }


def test_systems_are_found_by_name_and_by_module():
    pieces = ["born_loss", "cayley", "kerr", "loss", "norm", "propagator", "scan", "sinkhorn"]
    assert system_names() == ["sem", *(f"sem_{piece}" for piece in pieces)]
    assert load_system("plan_helpers:SYSTEM").variants["all_on"] == ALL_ON
    assert load_system("sem").name == "sem"


def test_a_module_in_the_working_directory_cannot_shadow_an_installed_one(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('shadowed')\n")
    (tmp_path / "own_system.py").write_text("from plan_helpers import SYSTEM\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own_system", raising=False)
    assert load_system("own_system:SYSTEM").variants["status_quo"] == STATUS_QUO
    assert sys.path[-1] == str(tmp_path)


def test_what_the_suite_and_the_command_line_gave_beside_the_size_is_known(tmp_path):
    body = PAIR + "size: document\nconditions: {dt: [0.1, 0.2], threads: 1}\n"
    plan = plan_of(tmp_path, body, settings={"batch_size": "8", "dt": 0.5})
    assert plan.parts[0].given == ("dt", "threads", "batch_size")
    assert plan.settings == {"batch_size": 8, "dt": 0.5}
    eight = make_plan(read_suite(SUITES / "document.yaml"), available_bytes=16 * GB).parts[2]
    assert eight.given == ("batch_size", "propagator_layers", "dt", "training_step", "threads")
    assert under(eight) == (
        "sem, size document, forward, batch_size 1, seq_len 512, propagator_layers 8, dt 0.1, training_step 0, "
        "1 thread, cpu"
    )
    assert under(plan_of(tmp_path, body).parts[0]).endswith(
        "size document, forward, batch_size 32, 1 thread, virtual, dt 0.1/0.2"
    )


def test_the_command_of_a_plan_makes_the_same_plan_again(tmp_path):
    body = "design: pair\nagainst: [all_on, {method: direct}]\n"
    options = {"preset": "full", "only": ["all*", "method=direct"], "threads": 1, "max_minutes": 2.5}
    plan = plan_of(tmp_path, body, settings={"dt": 1e-2, "allocator": "keep"}, **options)
    said = command(plan)
    assert said == (
        f"semh run {tmp_path}/seop.yaml --preset full --only 'all*' --only method=direct --set dt=0.01 "
        "--set allocator=keep --threads 1 --max-minutes 2.5"
    )
    assert plan_of(tmp_path, body, settings={"dt": "0.01", "allocator": "keep"}, **options) == plan


@pytest.mark.parametrize("suite", sorted(file.stem for file in SUITES.glob("*.yaml")))
def test_a_suite_of_the_house_can_be_planned(suite):
    plan = make_plan(read_suite(SUITES / f"{suite}.yaml"), available_bytes=16 * GB)
    assert plan.suite == suite
    assert plan.title.endswith("?")
    for part in plan.parts:
        processes = len(part.varied_conditions.get("threads", (1,)))
        assert sum(cell.control for cell in part.cells) in (
            (processes, processes * len(CONTROLS)) if part.times else (0,)
        )
        assert len(part.groups) == processes


def test_the_cells_of_the_cayley_suite():
    stage, total = make_plan(read_suite(SUITES / "cayley.yaml"), available_bytes=16 * GB).parts
    assert len([cell for cell in stage.cells if not (cell.control or cell.beyond)]) == 16
    assert names(stage)[0] == "status_quo"
    assert stage.cells[0].conditions["propagator_width"] == 2048
    tried = [cell.name for cell in total.cells if not cell.beyond]
    assert tried == ["propagator_before", "propagator_after", "control"]
    assert [sum(cell.beyond for cell in part.cells) for part in (stage, total)] == [1, 0]
    assert total.stages == ("encoder", "mixer", "propagator", "head")


def test_the_cells_of_the_solvers_suite():
    """Per dt: three methods with both switches, chebyshev without the preconditioner, direct with neither."""
    (part,) = make_plan(read_suite(SUITES / "solvers.yaml"), available_bytes=16 * GB).parts
    assert len(names(part)) == 4 * (3 * 4 + 2 + 1)


def test_planning_needs_no_torch():
    script = (
        "import sys; from pathlib import Path\n"
        "from harness.plan import make_plan; from harness.suite import read_suite\n"
        "for file in Path(sys.argv[1]).glob('*.yaml'): make_plan(read_suite(file), available_bytes=16e9)\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script, str(SUITES)], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "False"]
