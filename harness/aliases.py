"""What a design of a part of all combinations cannot tell apart, in the words of its switches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from harness.stats import fraction, screening

LONGEST = 380


def fraction_notes(names: Sequence[str]) -> Iterator[str]:
    k = len(names)
    chains = fraction.chains(k).values()
    clear = [_product(pairs[0], names) for pairs in chains if len(pairs) == 1]
    aliased = [" = ".join(_product(pair, names) for pair in pairs) for pairs in chains if len(pairs) > 1]
    yield (
        f"{2 ** fraction.free(k)} of {2**k} combinations, resolution {'IV' if aliased else 'V'}: main effects are "
        "clear of two-way interactions; interactions of three or more are taken to be small"
    )
    made = [f"{names[factor]} by {_sign(by)}{_product(by, names)}" for factor, by in fraction.generators(k).items()]
    yield from _listed("high or low, coded +1 and -1: ", made)
    if not aliased:
        yield "every two-way interaction is clear of the others"
    elif clear:
        yield from _listed("two-way interactions clear of the others: ", clear)
    yield from _listed("aliased two-way interactions, of which only the sum is estimated: ", aliased)


def _sign(by: Sequence[int]) -> str:
    return "" if len(by) % 2 else "minus "


def _listed(head: str, entries: Sequence[str]) -> Iterator[str]:
    """Notes of a length that is nowhere cut short, no entry divided."""
    note = ""
    for entry in entries:
        if note and len(head) + len(note) + len(entry) > LONGEST:
            yield head + note
            note = ""
        note += f"; {entry}" if note else entry
    if note:
        yield head + note


def screening_notes(names: Sequence[str]) -> Iterator[str]:
    k = len(names)
    runs = 2 * (screening.columns(k) + 1)
    yield (
        f"{runs} of {2**k} combinations (Plackett-Burman with foldover): main effects are clear of two-way "
        "interactions, which alias each other and are not estimated; those of three are taken to be small"
    )


def _product(factors: Iterable[int], names: Sequence[str]) -> str:
    return " × ".join(names[factor] for factor in factors)
