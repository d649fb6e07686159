"""The numbers that a document states, by line: what a ledger has to account for.

Markdown is read by markdown-it, so that a number in a table, a heading or a quotation is found where it stands and one
in a code sample is not. Fences without a language are drawings, shares or equations, and are read as text; fences with
one, and code between backticks, are not. HTML is read as text: nothing is lost by a tag.

In the text that is left every rule of `RULES` covers what is no statement; what is then still a number is a token,
spelled as the document spells it: sign, thousands commas, decimal point, exponent, and a unit of `UNITS`, attached or
behind one space. A range (55-70%) is one token. Commas in square brackets separate (a shape), they do not group.

`python -m harness.claims.extract DOC.md` prints the tokens by line.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

COVER = "\ue000"
"""Stands for what is no text or no statement, character for character, so that a token is found where it stood."""
_GAP = rf"[\s:{COVER}]*"
_SYMBOL = r"(?<![^\W\d_])[^\W\d_]{1,2}[²³*]?"  # S, dt, A²
_INNER = r"[^()\n]{0,200}"
# Brackets within brackets within brackets, (2/(D·(M))); bounded, so that a line of nothing but brackets takes no time.
_PAREN = rf"\((?:{_INNER}\((?:{_INNER}\({_INNER}\)){{0,9}}{_INNER}\)){{0,9}}{_INNER}\)"
_FUNCTIONS = "exp|log|log2|ln|sqrt|sin|cos|tan|max|min|arg|Re|Im|Cov|Var|rank|softplus"
_WORDS = (
    "Sections?|sections?|Phases?|phases?|Weeks?|weeks?|Issues?|Theorems?|Lemmas?|Fix|[Ll]ines?|Tables?|Figures?|Fig\\."
    "|Eq\\.|Equations?|Chapters?|Appendix|Version|version|Bias"
)
_BARE = r"(?![\d%×]|\.\d|\s%)"  # a number that ends here and has no unit: "Phase 15%" and "S/20%" are statements
_MONTHS = "Jan|Feb|Mar|Apr|May|June?|July?|Aug|Sept?|Oct|Nov|Dec"

_AFTER_A_DATE_WORD = rf"(?:\b(?:{_MONTHS})[a-z]*\.?\s|\bQ\d\s|\(|\b[Ii]n\s|\b[Ss]ince\s)"
_BEFORE_A_SYMBOL = r"(?<![\w.,])\d+(?:\.\d+)?\s?[/·*]\s?(?=[√|(]|[^\W\d_]{1,2}(?!\w))"  # 1/√L, 2·(L - l)
_BEHIND_A_SYMBOL = rf"{_SYMBOL}\s?[/·]\s?\d+(?:\.\d+)?{_BARE}"  # S/3, dt/2
_TERMS = rf"(?<![\w.,])\d+\s?[-+−]\s?(?=[|√]|[^\W\d_][·*/^|)²_])|(?<=[|²)])\s[-+−]\s\d+{_BARE}"  # 1 - |A|², |A| - 1

RULES: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        # arXiv:2501.00663
        "arXiv id": r"(?i:arxiv:)\s?\S+",
        # 2026-02-08
        "date": r"(?<!\d)\d{4}-\d\d-\d\d(?!\d)",
        # Dec 2024, (2025-2026), since 2019; never (2000 tokens)
        "year": rf"{_AFTER_A_DATE_WORD}(?:19|20)\d\d(?:[-–](?:19|20)\d\d)?\b(?![.,]\d)(?=\+?[\s.,;:)*]|$)"
        r"(?!\s(?:tokens|steps|rows|lines))",
        # Section 2.2-2.3, **Phase:** 1, lines 118-128
        "place in a document": rf"\b(?:{_WORDS}){_GAP}#?\d+[a-z]?(?:\.\d+)*(?:\s?[-–]\s?#?\d+(?:\.\d+)*)?{_BARE}",
        # #1-4
        "number of an issue": r"#\d+(?:[-–]#?\d+)?",
        # [12]; never the index in x[1]
        "reference": r"(?<![\w\]])\[\d+(?:[-–]\d+)?\]",
        # A^{2}, x_{3} and x_{i=1} of which markdown took the _, |A|^4, 2^10, 10⁶
        "subscript or power": r"[_^\ue000]\{[^}\n]{0,200}\}|\^-?[\d|]\S*|(?<!\d)\d+(?:\^\S+|[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+)",
        # O(1), D(2D+1), √(2/(D·M)), exp(-3/S)
        "function of symbols": rf"(?:√|\^|(?<!\w)(?:[^\W\d_]|{_FUNCTIONS})){_PAREN}",
        # H100, V5.5, float32, Mamba-3
        "name": rf"(?<!\w)[^\W\d]\w*?(?:\d[\w.]*\w|\d)|(?<!\w)[^\W\d]\w*-\d+(?:\.\d+)*{_BARE}",
        "coefficient": rf"{_BEFORE_A_SYMBOL}|{_BEHIND_A_SYMBOL}|{_TERMS}",
    }.items()
}
"""Rule -> what it covers, in this order; each is no number that could be true or false."""

UNITS = ("%", "×", "x", "KB", "MB", "GB", "TB", "KiB", "MiB", "GiB", "TiB", "ms", "us", "µs", "s", "k", "K", "M", "B")
_LETTERS = "|".join(unit for unit in UNITS if unit.isalpha() and unit != "x")
_UNIT = rf"(?:[ \u00a0]?%|[×x](?!\w)|[ \u00a0][×x](?=\s+[a-z]{{2}}|\s*[.,;)]|\s*$)|[ \u00a0]?(?:{_LETTERS})(?!\w|\s*=))"
_PLAIN = r"\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_GROUPED = rf"(?:\d{{1,3}}(?:,\d{{3}}){{1,9}}(?:\.\d+)?(?![\d]|,\d)|{_PLAIN})"


def _number(value: str) -> re.Pattern[str]:
    """Glued to other letters it is part of a word (2D, 3b)."""
    sign = r"(?:(?<![\w.)\]|%×])[-+−])?"
    return re.compile(rf"(?<![\w.]){sign}{value}{_UNIT}?(?:[-–—]{value}{_UNIT}?)?(?![^\W_]|\.\d)")


_OUTSIDE, _BRACKETED = _number(_GROUPED), _number(_PLAIN)
_BRACKETS = re.compile(r"\[[^\[\]\n]*\]")
_NUMBERING = re.compile(r"\s*(\d+(?:\.\d+)*)\.?(?=\s)")


@dataclass(frozen=True)
class Line:
    """A line of a document that states numbers."""

    number: int
    section: str
    text: str
    tokens: tuple[str, ...]
    """Each as it is spelled; one that stands on the line already is told by its count: 15%, 15%#2."""
    starts: tuple[int, ...]
    """Where in the text each begins."""


@dataclass(frozen=True)
class _Piece:
    """Some text of one line; of a table's row each cell is a piece."""

    line: int
    raw: str
    seen: str
    """The raw text with markup covered, of the same length."""
    heading: int = 0
    cell: bool = False


def numbers(text: str) -> list[Line]:
    """Every line of a markdown document that states a number, in order."""
    source = lines_of(text)
    readable = text.replace("\x00", COVER)
    searched = lines_of(readable)
    sections = _Sections()
    found: dict[int, list[tuple[int, str]]] = {}
    named: dict[int, str] = {}
    ends: dict[int, int] = {}
    for piece in _pieces(readable):
        line, behind = searched[piece.line - 1], ends.get(piece.line, 0)
        # A cell stands behind the one before it; anything else is the end of its line, behind its list's number.
        start = line.find(piece.raw, behind) if piece.cell else line.rfind(piece.raw)
        ends[piece.line] = start + len(piece.raw) if start >= 0 else behind
        if piece.heading:
            sections.enter(piece)
        named[piece.line] = sections.name
        hits = tokens_of(piece.seen, heading=bool(piece.heading))
        placed = [(start + at, token) for at, token in hits] if start >= 0 else list(_searched(line, behind, hits))
        found.setdefault(piece.line, []).extend(placed)
    return [_line(number, named[number], source[number - 1], hits) for number, hits in sorted(found.items()) if hits]


def _searched(line: str, at: int, hits: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """For a piece that markdown spells otherwise than its line (an escaped | in a cell)."""
    for _, token in hits:
        at = max(line.find(token, at), at)
        yield at, token
        at += len(token)


def _line(number: int, section: str, text: str, hits: list[tuple[int, str]]) -> Line:
    spelled = [token for _, token in hits]
    return Line(number, section, text, tuple(counted(spelled)), tuple(at for at, _ in hits))


def counted(tokens: Sequence[str]) -> Iterator[str]:
    """The same token's second place on a line is told by #2."""
    seen: Counter[str] = Counter()
    for token in tokens:
        seen[token] += 1
        yield token if seen[token] == 1 else f"{token}#{seen[token]}"


def lines_of(text: str) -> list[str]:
    return re.sub(r"\r\n?", "\n", text).split("\n")


def tokens_of(text: str, *, heading: bool = False) -> list[tuple[int, str]]:
    """The numbers that a piece of text states: where, and as it is spelled."""
    seen = covered(text, heading=heading)
    brackets = [match.span() for match in _BRACKETS.finditer(seen)]
    hits = [hit for low, high in brackets for hit in _BRACKETED.finditer(seen, low, high)]
    outside = _BRACKETS.sub(lambda match: COVER * len(match[0]), seen)
    return sorted((hit.start(), hit[0]) for hit in (*hits, *_OUTSIDE.finditer(outside)))


def covered(text: str, *, heading: bool = False) -> str:
    """The text with everything covered that a rule takes for no statement."""
    numbering = _NUMBERING.match(text) if heading else None
    if numbering:
        text = COVER * numbering.end() + text[numbering.end() :]
    for rule in RULES.values():
        text = rule.sub(lambda match: COVER * len(match[0]), text)
    return text


class _Sections:
    """The name of the section: the innermost numbered heading, or else the innermost of the two outer levels."""

    def __init__(self) -> None:
        self._open: dict[int, str] = {}
        self.name = ""

    def enter(self, piece: _Piece) -> None:
        self._open = {level: name for level, name in self._open.items() if level < piece.heading}
        text = piece.raw.strip()
        numbering, issue = _NUMBERING.match(text), re.match(r"(\S+) #(\d+)", text)
        numbered = numbering[1] if numbering else f"{issue[1]} {issue[2]}" if issue else ""
        if numbered or piece.heading <= 2:
            self._open[piece.heading] = numbered or text
        self.name = list(self._open.values())[-1] if self._open else self.name


def _pieces(text: str) -> Iterator[_Piece]:
    # A picture's words are text like a link's: read as one, its source is covered.
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    # Escapes stay tokens of their own: joined with their neighbours they could not be found again in the line.
    reader.core.ruler.disable("text_join")
    heading, cell = 0, False
    for token in reader.parse(text):
        if token.type == "heading_open":
            heading = int(token.tag[1:])
        elif token.type == "heading_close":
            heading = 0
        elif token.type in ("th_open", "td_open", "table_close"):
            cell = token.type != "table_close"
        elif token.type == "inline" and token.map:
            pairs = zip(token.content.split("\n"), _readable(token).split("\n"), strict=True)
            for offset, (raw, seen) in enumerate(pairs):
                yield _Piece(token.map[0] + 1 + offset, raw, seen, heading, cell)
        elif token.type in ("fence", "code_block") and token.content and token.map and not token.info.strip():
            first = token.map[0] + (2 if token.type == "fence" else 1)
            for offset, part in enumerate(token.content.removesuffix("\n").split("\n")):
                yield _Piece(first + offset, part, part)


def _readable(inline: Token) -> str:
    """The inline source with markup, code and addresses covered; whole where its text cannot be found in it."""
    raw, at = inline.content, 0
    seen = [character if character == "\n" else COVER for character in raw]
    for child in inline.children or []:
        if child.type not in ("text", "text_special"):
            continue
        spelled = child.markup if child.type == "text_special" else child.content
        start = raw.find(spelled, at)
        if start < 0:
            return raw
        at = start + len(spelled)
        if not spelled.startswith("&"):
            seen[start:at] = spelled
    return "".join(seen)


if __name__ == "__main__":
    for line in numbers(Path(sys.argv[1]).read_text(encoding="utf-8")):
        print(f"{line.number:5}  {line.section[:24]:24}  {' | '.join(line.tokens)}")
