"""The language of the ledger's formulas: closed arithmetic on numbers, parsed with `ast` and never run as code.

    expression  numbers, names of `given`, + - * / **, unary - and +, parentheses, calls of FUNCTIONS, pi and e

Every value is a finite float: what is not finite, complex, or a power beyond 1e4 is refused where it arises, and so is
what is too long or too deep to read. A name may be a formula itself, over names that stand before it.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.errors import offer, shown

MAX_LENGTH = 500
MAX_DEPTH = 64
MAX_GIVEN = 40
MAX_EXPONENT = 1e4
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}", re.ASCII)


class FormulaError(ValueError):
    """A formula that means no number; the text says where, what was found, what would do."""


def softplus(x: float) -> float:
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def inverse_softplus(y: float) -> float:
    """x with softplus(x) = y, also where e^y overflows."""
    return y + math.log(-math.expm1(-y))


def rounded(x: float, digits: float = 0.0) -> float:
    if digits != int(digits) or abs(digits) > 15:
        raise ValueError("digits are a whole number up to 15")
    return round(x, int(digits))


ANY = 100
FUNCTIONS: dict[str, tuple[Callable[..., float], int, int]] = {
    "exp": (math.exp, 1, 1),
    "log": (math.log, 1, 1),
    "log2": (math.log2, 1, 1),
    "log10": (math.log10, 1, 1),
    "sqrt": (math.sqrt, 1, 1),
    "ceil": (math.ceil, 1, 1),
    "floor": (math.floor, 1, 1),
    "abs": (abs, 1, 1),
    "round": (rounded, 1, 2),
    "softplus": (softplus, 1, 1),
    "inverse_softplus": (inverse_softplus, 1, 1),
    "min": (min, 2, ANY),
    "max": (max, 2, ANY),
    "sum": (lambda *terms: math.fsum(terms), 2, ANY),
    "product": (lambda *terms: math.prod(terms), 2, ANY),
}
"""Name -> function, fewest and most arguments."""
CONSTANTS = {"pi": math.pi, "e": math.e}


def power(base: float, exponent: float) -> float:
    if abs(exponent) > MAX_EXPONENT:
        raise ValueError(f"an exponent over {MAX_EXPONENT:g}")
    if base < 0 and exponent != int(exponent):
        raise ValueError("a root of a negative number")
    return float(base**exponent)


BINARY: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: power,
}
UNARY: dict[type[ast.unaryop], Callable[[float], float]] = {ast.USub: lambda a: -a, ast.UAdd: lambda a: a}


def checked(formula: str | None, given: Mapping[str, object], others: Sequence[str] = ()) -> None:
    """Raises FormulaError for what is wrong with a formula and its names before any number is known.

    others: formulas over the same names; a name has to be used in one of them.
    """
    if len(given) > MAX_GIVEN:
        raise FormulaError(f"given: {len(given)} names; at most {MAX_GIVEN} would do")
    known: set[str] = set()
    for name, meant in given.items():
        if not NAME.fullmatch(name) or name in FUNCTIONS or name in CONSTANTS:
            found = "it is taken by the language" if name in FUNCTIONS or name in CONSTANTS else "it is no name"
            raise FormulaError(f"given {shown(name)}: {found}; letters, digits and _ would do, beginning with a letter")
        if isinstance(meant, str):
            _within(f"given {name}", _parsed(f"given {name}", meant), known)
        known.add(name)
    if formula is None:
        if given:
            raise FormulaError("given without a formula; a formula that uses it would do")
        return
    for each in (formula, *others):
        _within("formula", _parsed("formula", each), known)
    used = names_in(formula, *others, *(meant for meant in given.values() if isinstance(meant, str)))
    unused = [name for name in given if name not in used]
    if unused:
        raise FormulaError(f"given {unused[0]} is used nowhere; a formula without it would do")


def evaluate(
    formula: str, given: Mapping[str, float | str], others: Sequence[str] = ()
) -> tuple[float, dict[str, float]]:
    """The value of a checked formula, and of every name."""
    checked(formula, given, others)
    values: dict[str, float] = {}
    for name, meant in given.items():
        values[name] = _value(f"given {name}", meant, values) if isinstance(meant, str) else _finite(name, float(meant))
    return _value("formula", formula, values), values


def _value(place: str, formula: str, names: Mapping[str, float]) -> float:
    return _reckon(place, _parsed(place, formula), names)


def _parsed(place: str, formula: str) -> ast.expr:
    if len(formula) > MAX_LENGTH:
        raise FormulaError(f"{place}: {len(formula)} characters; at most {MAX_LENGTH} would do")
    try:
        return ast.parse(formula.strip(), mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise FormulaError(f"{place}: {shown(formula)} is no formula; 0.55 * share would do") from None


def _within(place: str, node: ast.expr, names: set[str], depth: int = 0) -> None:
    """Refuses whatever is not of the language."""
    if depth > MAX_DEPTH:
        raise FormulaError(f"{place}: nested deeper than {MAX_DEPTH}; sum(a, b, c) would do")
    if isinstance(node, ast.Constant):
        _number(place, node)
    elif isinstance(node, ast.Name):
        if node.id not in names and node.id not in CONSTANTS:
            raise FormulaError(f"{place}: no name {shown(node.id)}; {offer(node.id, 'given', [*names, *CONSTANTS])}")
    elif isinstance(node, ast.BinOp) and type(node.op) in BINARY:
        _within(place, node.left, names, depth + 1)
        _within(place, node.right, names, depth + 1)
    elif isinstance(node, ast.UnaryOp) and type(node.op) in UNARY:
        _within(place, node.operand, names, depth + 1)
    elif isinstance(node, ast.Call):
        for argument in _arguments(place, node):
            _within(place, argument, names, depth + 1)
    else:
        raise FormulaError(f"{place}: {type(node).__name__} is not of the language; + - * / ** and functions would do")


def _arguments(place: str, node: ast.Call) -> list[ast.expr]:
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    if name not in FUNCTIONS:
        raise FormulaError(f"{place}: no function {shown(name)}; {offer(name, 'the language', FUNCTIONS)}")
    _, fewest, most = FUNCTIONS[name]
    if node.keywords or not fewest <= len(node.args) <= most:
        takes = str(fewest) if fewest == most else f"{fewest} or more" if most == ANY else f"{fewest} or {most}"
        raise FormulaError(f"{place}: {name} with {len(node.args)} arguments and {len(node.keywords)} named; {takes}")
    return node.args


def _number(place: str, node: ast.Constant) -> float:
    value: Any = node.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FormulaError(f"{place}: found {shown(value)}; a number would do")
    try:
        return _finite(place, float(value))
    except OverflowError:
        raise FormulaError(f"{place}: a number of {len(str(value))} digits; one that is finite would do") from None


def _reckon(place: str, node: ast.expr, names: Mapping[str, float]) -> float:
    try:
        if isinstance(node, ast.Constant):
            return _number(place, node)
        if isinstance(node, ast.Name):
            return names[node.id] if node.id in names else CONSTANTS[node.id]
        if isinstance(node, ast.BinOp):
            sides = _reckon(place, node.left, names), _reckon(place, node.right, names)
            return _finite(place, BINARY[type(node.op)](*sides))
        if isinstance(node, ast.UnaryOp):
            return UNARY[type(node.op)](_reckon(place, node.operand, names))
        assert isinstance(node, ast.Call)
        function = FUNCTIONS[getattr(node.func, "id", "")][0]
        return _finite(place, float(function(*(_reckon(place, each, names) for each in node.args))))
    except FormulaError:
        raise
    except (ArithmeticError, ValueError) as error:
        raise FormulaError(f"{place}: {ast.unparse(node)} is no number ({error})") from None


def _finite(place: str, value: float) -> float:
    if not math.isfinite(value):
        raise FormulaError(f"{place}: {value} where a finite number is needed")
    return value


def names_in(*formulas: str) -> set[str]:
    found = (node for formula in formulas for node in ast.walk(_parsed("formula", formula)))
    return {node.id for node in found if isinstance(node, ast.Name)}
