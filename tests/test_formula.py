"""The ledger's formulas: closed arithmetic, checked against plain Python, and nothing else gets through."""

import math

import pytest

from harness.claims.formula import MAX_GIVEN, MAX_LENGTH, FormulaError, checked, evaluate


def value(formula: str, **given: float | str) -> float:
    return evaluate(formula, given)[0]


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("-(2 - 5) ** 2", -9),
        ("2 ** -1 / 4", 0.125),
        ("sum(5, 17, 78, 3)", 103),
        ("100 * (1 - product(0.85, 0.8, 0.9, 0.75))", 54.1),
        ("sqrt(2 / (512 * 128))", 0.005524271728019903),
        ("log2(8) + log10(100) + log(e) + exp(0)", 7),
        ("min(3, 1, 2) + max(3, 1, 2)", 4),
        ("ceil(0.2) + floor(1.8) + abs(-3)", 5),
        ("round(2.345, 1) + round(2.6)", 5.3),
        ("cos_free * pi", math.pi),
        ("1_000 + 1e-3", 1000.001),
    ],
)
def test_a_formula_is_what_it_says(formula, expected):
    given = {"cos_free": 1.0} if "cos_free" in formula else {}
    assert value(formula, **given) == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("x", [-700.0, -40.0, -1.0, 0.0, 1.0, 40.0, 700.0])
def test_softplus_is_the_logarithm_of_one_plus_exp_and_its_inverse_undoes_it(x):
    assert value("softplus(x)", x=x) == pytest.approx(math.log1p(math.exp(x)) if x < 30 else x, rel=1e-13)
    assert value("inverse_softplus(softplus(x))", x=x) == pytest.approx(x, rel=1e-9, abs=1e-9)


def test_names_may_be_formulas_over_earlier_names_and_are_told_with_their_values():
    found, names = evaluate(
        "share * saved / 100", {"part": 78.0, "total": "part + 25", "share": "100 * part / total", "saved": 55.0}
    )
    assert found == pytest.approx(55 * 78 / 103)
    assert names == {"part": 78.0, "total": 103.0, "share": pytest.approx(75.728, abs=1e-3), "saved": 55.0}


@pytest.mark.parametrize(
    ("formula", "given", "said"),
    [
        ("__import__('os').system('x')", {}, "no function ''"),
        ("().__class__", {}, "Attribute is not of the language"),
        ("[x for x in (1, 2)]", {}, "ListComp is not of the language"),
        ("(lambda: 1)()", {}, "no function ''"),
        ("open('x')", {}, "no function 'open'"),
        ("'a' * 9", {}, "found 'a'; a number would do"),
        ("True + 1", {}, "found true; a number would do"),
        ("1j", {}, "found 1j; a number would do"),
        ("1 if 2 else 3", {}, "IfExp is not of the language"),
        ("1 < 2", {}, "Compare is not of the language"),
        ("7 // 2", {}, "BinOp is not of the language"),
        ("~1", {}, "UnaryOp is not of the language"),
        ("sum(*(1, 2))", {}, "sum with 1 arguments"),
        ("round(1.5, digits=2)", {}, "round with 1 arguments and 1 named; 1 or 2"),
        ("sqrt(1, 2)", {}, "sqrt with 2 arguments and 0 named; 1"),
        ("share", {}, "no name 'share'"),
        ("1 +", {}, "is no formula"),
        ("1; 2", {}, "is no formula"),
        ("", {}, "is no formula"),
        ("\0", {}, "is no formula"),
        ("(" * 240 + "1" + ")" * 240, {}, "formula: "),
        ("-" * 400 + "1", {}, "nested deeper than 64"),
        ("1+" * 300 + "1", {}, f"601 characters; at most {MAX_LENGTH} would do"),
        ("9" * 400, {}, "a number of 400 digits; one that is finite would do"),
        ("1e999", {}, "inf where a finite number is needed"),
        ("9 ** 9 ** 9", {}, "an exponent over 10000"),
        ("2 ** 1e4", {}, "is no number"),
        ("10 ** 308 * 10", {}, "inf where a finite number is needed"),
        ("1 / (3 - 3)", {}, "is no number"),
        ("0 ** -1", {}, "is no number"),
        ("(-1) ** 0.5", {}, "a root of a negative number"),
        ("sqrt(-1)", {}, "is no number"),
        ("log(0)", {}, "is no number"),
        ("exp(1e5)", {}, "is no number"),
        ("inverse_softplus(0)", {}, "is no number"),
        ("round(1, 0.5)", {}, "digits are a whole number"),
        ("a", {"a": float("nan")}, "nan where a finite number is needed"),
        ("b", {"b": "c", "c": 1.0}, "given b: no name 'c'"),
        ("a", {"a": "a"}, "given a: no name 'a'"),
        ("sum", {"sum": 1.0}, "it is taken by the language"),
        ("e", {"e": 1.0}, "it is taken by the language"),
        ("a", {"a": 1.0, "a b": 2.0}, "it is no name"),
        ("1", {"idle": 2.0}, "given idle is used nowhere"),
        ("1", {f"n{i}": 1.0 for i in range(MAX_GIVEN + 1)}, "41 names; at most 40 would do"),
    ],
)
def test_what_means_no_number_is_refused_and_said_in_a_line(formula, given, said):
    with pytest.raises(FormulaError) as raised:
        evaluate(formula, given)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_name_near_the_one_meant_is_offered():
    with pytest.raises(FormulaError, match="given offers share, pi, e"):
        checked("shaer", {"share": 1.0})
