"""A bad suite is one line, `file:line: what was found, what would do`, and nothing is written."""

from pathlib import Path

import pytest
from plan_helpers import GB

from harness.conditions import cores
from harness.errors import SuiteError, UsageError
from harness.plan import make_plan
from harness.suite import read_suite

HEAD = "suite: seop\ntitle: Does it hold?\nsystem: plan_helpers:SYSTEM\n"
PAIR = HEAD + "design: pair\nagainst: all_on\n"
GRID = HEAD + "design: grid\n"
ONE = HEAD + "design: one_at_a_time\n"
FULL = HEAD + "design: full_factorial\n"
CONDITION_NAMES = "batch_size, width, dt, threads, allocator, flush_denormal, device, dtype"

BAD = {
    # the file
    "empty": ("", "1: found an empty file; a suite begins with suite: NAME and title: QUESTION"),
    "a list": ("- suite\n", "1: found a list; a suite begins with suite: NAME and title: QUESTION"),
    "a word": ("suite\n", "1: found 'suite'; a suite begins with suite: NAME and title: QUESTION"),
    "binary": (b"suite: seop\n\0\1\2", "2: binary (a zero byte); UTF-8 text would do"),
    "latin-1": (b"suite: seop\ntitle: \xfcber\n", "2: not UTF-8 (byte 0xfc); UTF-8 text would do"),
    "too big": ("#" * (1 << 20) + "\n", "1: over 1 MiB; a suite is a page of text"),
    "control character": (HEAD + "mode: \x07\n", "4: a control character; printable text would do"),
    "deep": (HEAD + "mode: " + "[" * 40, "4: nested deeper than 32; a suite needs five levels"),
    "wide": ("[" + "1, " * 30_000 + "]", "1: more than 20000 entries; a suite is a page of text"),
    "tag": (PAIR + "mode: !!python/object:os.system x\n", None),
    "own tag": (PAIR + "mode: !secret x\n", "6: a tag, '!secret'; plain values would do"),
    "anchor": (PAIR + "mode: &m forward\n", "6: an anchor, '&m'; write the value out where it is needed"),
    "alias": (PAIR + "mode: *m\n", "6: an alias, '*m'; write the value out"),
    "merge": (PAIR + "conditions:\n  <<: {dt: 1}\n", "7: a merge, '<<'; write the keys out"),
    "two documents": (PAIR + "---\nsuite: two\n", "6: a second document; one file holds one"),
    "tag directive": ("%TAG ! tag:x,2000:\n---\nsuite: a\n", "1: a tag directive; plain values would do"),
    "collection as a key": (PAIR + "? [a, b]\n: 1\n", "6: a collection as a key; a word would do"),
    "duplicate key": (PAIR + "design: grid\n", "6: duplicate key 'design', first on line 4; keep one"),
    "not closed": (
        PAIR + "conditions: {dt: 1\n",
        "7: not YAML (while parsing a flow mapping, did not find expected ',' or '}'); "
        "indent with spaces, close every bracket and quote",
    ),
    "tab": (
        HEAD + "conditions:\n\tdt: 1\n",
        "5: not YAML (while scanning for the next token, found character that cannot start any token); "
        "indent with spaces, close every bracket and quote",
    ),
    # keys and types
    "unknown key": (PAIR + "blokcs: 4\n", "6: unknown key 'blokcs'; nearest is 'blocks'"),
    "strange key": (PAIR + '"\\e[31m\\n": 4\n', None),
    "key outside parts": (
        "suite: a\ntitle: b\nmode: forward\nparts:\n  one: {system: sem, design: pair, against: all_on}\n",
        "3: unknown key 'mode'; beside parts it belongs inside a part",
    ),
    "missing key": (HEAD, "1: missing key 'design'; needed are suite, title, system, design"),
    "missing key of a part": (
        "suite: a\ntitle: b\nparts:\n  one:\n    system: sem\n",
        "4: parts.one: missing key 'design'; needed are system, design",
    ),
    "no parts": (
        "suite: a\ntitle: b\nparts: {}\n",
        "3: parts: found a mapping; parts takes a mapping of part names to parts",
    ),
    "a part that is a word": (
        "suite: a\ntitle: b\nparts: {one: two}\n",
        "3: parts.one: found 'two'; it takes a mapping with the keys system, size, mode, conditions, design, baseline, "
        "against, also, beyond, factors, blocks, stages, memory, times, confirm, reads, map, timeout_s, expect",
    ),
    "name of a part": (
        "suite: a\ntitle: b\nparts:\n  ../up: {system: sem, design: pair, against: all_on}\n",
        "4: parts: found the name '../up'; it takes a name of a-z, 0-9, _ and -, at most 64 of them",
    ),
    "name of the suite": (
        PAIR.replace("seop", "../../etc/passwd"),
        "1: suite: found '../../etc/passwd'; suite takes a name of a-z, 0-9, _ and -, at most 64 of them",
    ),
    "number as a name": (
        PAIR.replace("seop", "12"),
        "1: suite: found 12; suite takes a name of a-z, 0-9, _ and -, at most 64 of them",
    ),
    "title of two lines": (
        PAIR.replace("Does it hold?", '"a\\nb"'),
        "2: title: more than one line of printable text; one line would do",
    ),
    "odd blocks": (PAIR + "blocks: 3\n", "6: blocks: found 3; blocks takes an even whole number from 2 to 1000"),
    "blocks in words": (
        PAIR + "blocks: four\n",
        "6: blocks: found 'four'; blocks takes an even whole number from 2 to 1000",
    ),
    "no time at all": (
        PAIR + "timeout_s: 0\n",
        "6: timeout_s: found 0; timeout_s takes seconds for one call, up to 86400",
    ),
    "endless": (
        PAIR + "timeout_s: .inf\n",
        "6: timeout_s: found inf; timeout_s takes seconds for one call, up to 86400",
    ),
    "yes is a word": (PAIR + "memory: yes\n", "6: memory: found 'yes'; memory takes true or false"),
    "wide margin": (
        PAIR + "margin: 2\n",
        "6: margin: found 2; margin takes the smallest change that matters, a fraction up to 0.5",
    ),
    "claims in one word": (
        PAIR + "claims: sem_topology.*\n",
        "6: claims: found 'sem_topology.*'; claims takes a list of claim ids or patterns such as sem_topology.*",
    ),
    "unknown outcome": (
        PAIR + "expect:\n  - {cell: all_on, outcome: diverged}\n",
        "7: expect.0.outcome: no outcome 'diverged'; a suite offers "
        "crashed, timed_out, out_of_memory, not_finite, failed, untested",
    ),
    "expected cell": (
        PAIR + "expect:\n  - {cell: al_on, outcome: crashed}\n",
        "7: expect.0.cell: no cell 'al_on'; the part offers status_quo, all_on",
    ),
    # what only the system knows
    "unknown design": (
        HEAD + "design: pairs\n",
        "4: design: no design 'pairs'; nearest is 'pair'",
    ),
    "unknown system": (
        PAIR.replace("plan_helpers:SYSTEM", "semm"),
        "3: system: no system 'semm'; nearest is 'sem'",
    ),
    "system in no module": (
        PAIR.replace("plan_helpers:SYSTEM", "nowhere.at_all:SYSTEM"),
        "3: system: 'nowhere.at_all:SYSTEM' cannot be imported "
        "(ModuleNotFoundError: No module named 'nowhere'); a module that can would do",
    ),
    "system that is code": (
        PAIR.replace("plan_helpers:SYSTEM", "'os:system(\"id\")'"),
        "3: system: 'os:system(\"id\")' is no system; a name or dotted.module:OBJECT would do",
    ),
    "not a system": (PAIR.replace(":SYSTEM", ":NOT_A_SYSTEM"), None),
    "no such object": (
        PAIR.replace(":SYSTEM", ":SISTEM"),
        "3: system: 'plan_helpers:SISTEM': plan_helpers has no SISTEM; a System object would do",
    ),
    "unknown mode": (PAIR + "mode: foward\n", "6: mode: no mode 'foward'; sem offers forward, train_step"),
    "unknown size": (PAIR + "size: documnt\n", "6: size: no size 'documnt'; sem offers tiny, document"),
    "stages that are not there": (
        PAIR.replace(":SYSTEM", ":BARE") + "stages: true\n",
        "6: stages: bare has no stages; stages: false would do",
    ),
    "unknown condition": (
        PAIR + "conditions:\n  bach_size: 1\n",
        "7: conditions.bach_size: no condition 'bach_size'; nearest is 'batch_size'",
    ),
    "negative size": (
        PAIR + "conditions:\n  batch_size: -1\n",
        "7: conditions.batch_size: -1 is below the range; batch_size takes a whole number from 1 to 4096",
    ),
    "absurd size": (
        PAIR + "conditions:\n  batch_size: 1e30\n",
        "7: conditions.batch_size: found 1e+30; batch_size takes a whole number from 1 to 4096",
    ),
    "size of many digits": (
        PAIR + f"conditions:\n  batch_size: {'9' * 5000}\n",
        f"7: conditions.batch_size: found '{'9' * 56}...; batch_size takes a whole number from 1 to 4096",
    ),
    "half a row": (
        PAIR + "conditions: {batch_size: 1.5}\n",
        "6: conditions.batch_size: found 1.5; batch_size takes a whole number from 1 to 4096",
    ),
    "not a number": (
        PAIR + "conditions: {dt: .nan}\n",
        None,
    ),
    "true as a number": (
        PAIR + "conditions: {dt: true}\n",
        "6: conditions.dt: found true; dt takes a number from 0.001 to 10",
    ),
    "more threads than cores": (
        PAIR + "conditions: {threads: 4000}\n",
        f"6: conditions.threads: 4000 is above the range; threads takes a whole number from 1 to {cores()}",
    ),
    "unknown device": (
        PAIR + "conditions: {device: cuda}\n",
        "6: conditions.device: no device 'cuda'; sem offers virtual",
    ),
    "unknown dtype": (
        PAIR + "conditions: {dtype: float16}\n",
        "6: conditions.dtype: no dtype 'float16'; sem offers float32, float64",
    ),
    "a list of one": (
        PAIR + "conditions: {dt: [0.1]}\n",
        "6: conditions.dt: an empty design: a list of 1 varies nothing; give a value, or a longer list",
    ),
    "a value twice": (
        PAIR + "conditions:\n  dt:\n  - 0.1\n  - 1\n  - 1.0\n",
        "10: conditions.dt: 1.0 stands twice in the list; once would do",
    ),
    "unknown variant": (
        PAIR + "baseline: status_qou\n",
        "6: baseline: no variant 'status_qou'; sem offers status_quo, all_on",
    ),
    "unknown switch": (
        PAIR + "baseline: {metod: cg}\n",
        "6: baseline.metod: no switch 'metod'; sem offers method, matrix, preconditioner, head, trim, edge",
    ),
    "unknown level": (
        GRID + "factors:\n  matrix: [cached]\n  head: [born, log_linear]\n",
        "7: factors.head: no level 'log_linear'; sem offers born, loglinear",
    ),
    "unknown level against": (
        HEAD + "design: pair\nagainst:\n- all_on\n- {head: log_linear}\n",
        "7: against.1.head: no level 'log_linear'; sem offers born, loglinear",
    ),
    "pair without against": (
        HEAD + "design: pair\n",
        "1: an empty design: pair without against; add against: all_on, or a mapping of changes",
    ),
    "pair with factors": (
        PAIR + "factors: {head: [loglinear]}\n",
        "6: factors: found factors; pair takes against, the other designs take factors",
    ),
    "grid with against": (
        GRID + "against: all_on\n",
        "5: against: found against; grid takes factors, also adds variants to any design",
    ),
    "beyond, but of the design": (
        PAIR + "beyond:\n- {method: cg}\n- all_on\n",
        "8: beyond: the same cell as 'all_on' of the design; leave it out, or name what goes beyond it",
    ),
    "beyond, but the baseline": (
        PAIR + "beyond: {edge: hard}\n",
        "6: beyond: the same cell as 'status_quo' of the design; leave it out, or name what goes beyond it",
    ),
    "an unknown level beyond": (
        PAIR + "beyond: {method: native}\n",
        "6: beyond.method: no level 'native'; sem offers cg, cocg, direct",
    ),
    "nothing varied": (ONE, "4: design: an empty design: nothing is varied; one_at_a_time takes factors"),
    "a factor of one level": (
        ONE + "factors:\n  head: [born]\n",
        "6: factors.head: an empty design: only the baseline's level, born; name another level, or leave it out",
    ),
    "a level twice": (
        ONE + "factors:\n  head: [loglinear, loglinear]\n",
        "6: factors.head: 'loglinear' stands twice in the list; once would do",
    ),
    "three levels in a factorial": (
        FULL + "factors:\n  method: [cg, cocg, direct]\n",
        "6: factors.method: 3 levels; full_factorial takes two, grid any number",
    ),
    "a dead factor": (
        ONE + "factors:\n  head: [loglinear]\n  edge: [hard]\n",
        "7: factors.edge: an empty design: edge does not apply in any of its cells; leave it out",
    ),
    "a dead pair": (
        HEAD + "design: pair\nagainst: {edge: hard}\n",
        "5: against: an empty design: the same cell as the baseline; name a switch that applies",
    ),
    "too many cells": (
        GRID + f"conditions: {{dt: {[round(0.1 + i / 1000, 3) for i in range(600)]}}}\n",
        "4: design: 600 cells; up to 512 would do, with fewer levels or conditions",
    ),
    "more than memory": (
        PAIR + "conditions: {batch_size: 4096, width: 1024}\n",
        "6: conditions: cell 'status_quo' would need about 5244.4 GB of memory, 16.0 GB may be used here; "
        "a smaller width or batch_size may do",
    ),
}
BEGINNINGS = {
    "tag": "6: a tag, 'tag:yaml.org,2002:python/object:os.system'; plain values would do",
    "strange key": r"6: unknown key '\x1b[31m\n'; a suite offers",
    "not a system": "3: system: 'plan_helpers:NOT_A_SYSTEM' is no System; it has no name, title, switches",
    "not a number": "6: conditions.dt: found nan; ",
}
"""Where the line goes on with something long: how it begins."""


@pytest.mark.parametrize("case", BAD)
def test_a_bad_suite_is_one_line(case, tmp_path, monkeypatch):
    text, message = BAD[case]
    monkeypatch.chdir(tmp_path)
    file = Path("seop.yaml")
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SuiteError) as caught:
        make_plan(read_suite(file), available_bytes=20 * GB)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 400
    if message is None:
        assert said.startswith(f"seop.yaml:{BEGINNINGS[case]}")
    else:
        assert said == f"seop.yaml:{message}"
    assert [path.name for path in tmp_path.iterdir()] == ["seop.yaml"]


def test_a_suite_that_is_missing_a_folder_or_no_file(tmp_path):
    with pytest.raises(SuiteError) as caught:
        read_suite(tmp_path / "none.yaml")
    assert str(caught.value) == f"{tmp_path}/none.yaml:1: no such file; a path to a YAML file would do"
    with pytest.raises(SuiteError) as caught:
        read_suite(tmp_path)
    assert str(caught.value) == f"{tmp_path}:1: a folder; a path to a YAML file would do"
    with pytest.raises(SuiteError) as caught:
        read_suite(Path("/dev/null"))
    assert str(caught.value) == "/dev/null:1: not a regular file; a path to a YAML file would do"
    with pytest.raises(SuiteError):
        read_suite(Path("a\0b"))


def test_every_error_of_a_suite_is_an_error_of_use():
    assert issubclass(SuiteError, UsageError)
