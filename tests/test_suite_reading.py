"""What a suite file means: YAML 1.2 scalars, the line of everything, and no other error than SuiteError."""

import json
import math
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_helpers import suite_of

from harness import yamlfile
from harness.errors import SuiteError
from harness.plan import make_plan
from harness.suite import PartSpec, read_suite, suite_schema
from harness.yamlfile import core_scalar, parse_yaml, read_yaml

SUITES = Path(__file__).resolve().parent.parent / "suites"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, None) for word in ("", "~", "null", "Null", "NULL")],
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        *[
            (word, word)
            for word in ("on", "off", "yes", "no", "y", "n", "tRUE", "nil", "1_000", "1:30", "0b1", "2026-01-01")
        ],
        ("012", 12),
        ("-7", -7),
        ("+7", 7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e-6", 1e-6),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("+.Inf", math.inf),
        ("9" * 301, "9" * 301),
    ],
)
def test_scalars_follow_the_core_schema_of_yaml_1_2(text, value):
    found = core_scalar(text)
    assert found == value
    assert type(found) is type(value)
    document = parse_yaml(f"key: {text}\nquoted: '{text}'\n", "x.yaml")
    assert document.data == {"key": value, "quoted": text}


def test_a_nan_is_read_as_one():
    assert math.isnan(core_scalar(".nan"))


def test_the_line_of_every_key_and_item_is_known():
    text = "a: 1\n# a comment\nb:\n  c: [x,\n    y]\n  d:\n    - p\n    - q: 2\n"
    lines = parse_yaml(text, "x.yaml").lines
    assert lines == {
        (): 1,
        ("a",): 1,
        ("b",): 3,
        ("b", "c"): 4,
        ("b", "c", 0): 4,
        ("b", "c", 1): 5,
        ("b", "d"): 6,
        ("b", "d", 0): 7,
        ("b", "d", 1): 8,
        ("b", "d", 1, "q"): 8,
    }


def test_keys_are_words_as_written():
    assert parse_yaml("on: 1\n1: 2\nnull: 3\n", "x.yaml").data == {"on": 1, "1": 2, "null": 3}


def test_the_slow_parser_reads_the_same(monkeypatch):
    texts = [file.read_text() for file in sorted(SUITES.glob("*.yaml"))]
    fast = [parse_yaml(text, "x.yaml") for text in texts]
    monkeypatch.setattr(yamlfile, "LOADER", yaml.SafeLoader)
    assert [parse_yaml(text, "x.yaml") for text in texts] == fast
    assert len(fast) >= 5


def test_a_bomb_is_refused_where_its_fuse_is():
    bomb = "\na: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(50))
    with pytest.raises(SuiteError, match=r"^x\.yaml:2: an anchor, '&a'"):
        parse_yaml(bomb, "x.yaml")


def test_a_suite_without_parts_is_one_part_named_like_it(tmp_path):
    suite = suite_of(tmp_path, "design: pair\nagainst: all_on\nconditions: {dt: [0.1, 1]}\n")
    assert list(suite.parts) == ["seop"]
    assert suite.parts["seop"] == PartSpec(
        system="plan_helpers:SYSTEM", design="pair", against="all_on", conditions={"dt": [0.1, 1]}
    )
    assert (suite.margin, suite.seed, suite.claims) == (0.02, 0, ())


def test_the_text_and_its_digest_are_kept(tmp_path):
    suite = suite_of(tmp_path, "design: pair\nagainst: all_on\n")
    assert suite.text == (tmp_path / "seop.yaml").read_text()
    assert len(suite.sha256) == 64
    assert read_yaml(tmp_path / "seop.yaml").sha256 == suite.sha256


PIECES = st.sampled_from(
    [
        *("suite: a\n", "title: b\n", "parts:\n", "  one:\n", "system: sem\n", "design: grid\n"),
        *("factors: {a: [b]}\n", "conditions: {dt: [1]}\n", "expect:\n", "- ", "? ", ": ", "{", "[", "]", "}", ","),
        *("&a ", "*a", "<<: ", "!!int ", "'", '"', "|\n", ">-\n", "#", "\t", "\n", "  ", "---\n", "...\n"),
        *("%YAML 1.1\n", "1e999", ".nan", "\u2028", "\ufeff", "\x1b", '"\\ud800"'),
    ]
)
ANY = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=300).map(lambda text: text.encode("utf-8", "replace")),
    st.lists(PIECES, max_size=30).map(lambda pieces: "".join(pieces).encode()),
)


@pytest.mark.parametrize("text", ['? "\\ud800"', 'suite: "\\udfff"'])
def test_half_a_surrogate_pair_is_refused_where_it_stands(tmp_path, monkeypatch, text):
    monkeypatch.setattr(yamlfile, "LOADER", yaml.SafeLoader)  # the one in C refuses such an escape by itself
    file = tmp_path / "odd.yaml"
    file.write_text(text)
    with pytest.raises(SuiteError, match=r"odd\.yaml:1: .*surrogate"):
        read_suite(file)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANY, st.sampled_from([yamlfile.LOADER, yaml.SafeLoader]))
def test_whatever_the_bytes_only_a_suite_error_is_raised(tmp_path, monkeypatch, raw, loader):
    monkeypatch.setattr(yamlfile, "LOADER", loader)
    file = tmp_path / "any.yaml"
    file.write_bytes(raw)
    try:
        read_suite(file)
    except SuiteError as error:
        assert error.message.isprintable()
        assert 1 <= error.line <= len(raw) + 1


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
GOOD = {
    "suite": "seop",
    "title": "Does it hold?",
    "system": "plan_helpers:SYSTEM",
    "design": "grid",
    "factors": {"head": ["loglinear"]},
    "conditions": {"dt": [0.1, 1]},
}
KEYS = st.sampled_from([*PartSpec.model_fields, "suite", "title", "margin", "seed", "claims", "parts"])


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, JUNK, min_size=1, max_size=2))
def test_whatever_the_values_a_plan_is_made_or_a_suite_error_raised(tmp_path, wrong):
    file = tmp_path / "any.yaml"
    file.write_text(json.dumps(GOOD | wrong))
    try:
        plan = make_plan(read_suite(file), available_bytes=1e12)
        assert plan.parts
    except SuiteError as error:
        assert error.message.isprintable()


def test_the_schema_is_up_to_date():
    """`python -c 'import json; from harness.suite import *; print(json.dumps(suite_schema(), indent=2))'` makes it."""
    assert json.loads((SUITES / "schema.json").read_text()) == json.loads(json.dumps(suite_schema()))
