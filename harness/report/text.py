"""User-given text made safe to show: one line, no control or direction characters, bounded length.

Text that runs from right to left is put between the Unicode isolates FSI and PDI, which cannot come from a user
because `plain` drops every format character. HTML turns the pair into <bdi>; other forms show it as it is.
"""

from __future__ import annotations

import re
import unicodedata

FSI, PDI = "\u2068", "\u2069"
UNIT, LABEL, SENTENCE, LISTING = 32, 120, 400, 20_000
ATTACHED_PERCENT = re.compile(r"(?<=\d)%(?!\w)")


def plain(text: str, limit: int = SENTENCE) -> str:
    cleaned = " ".join("".join(_shown(character) for character in text).split())
    if len(cleaned) <= limit:
        return cleaned
    return f"{cleaned[:limit].rstrip()}… ({len(cleaned)} characters)"


def safe(text: object, limit: int = SENTENCE) -> str:
    """A sentence: its percent signs stand apart from their numbers, as they do in every number of the report."""
    return isolate(ATTACHED_PERCENT.sub(" %", plain(str(text), limit)))


def label(text: object) -> str:
    """A name: its letters are kept."""
    return isolate(plain(str(text), LABEL))


def isolate(text: str) -> str:
    right_to_left = any(unicodedata.bidirectional(character) in ("R", "AL", "AN") for character in text)
    return f"{FSI}{text}{PDI}" if right_to_left else text


def bare(text: str) -> str:
    return text.replace(FSI, "").replace(PDI, "")


def shorten(text: str, length: int) -> str:
    """At most `length` characters, with the isolates kept in pairs."""
    inner = bare(text)
    return text if len(inner) <= length else isolate(inner[: length - 1].rstrip() + "…")


def listing(text: str, limit: int = LISTING) -> str:
    """Several lines (a suite file): line breaks stay, everything else as in `plain`."""
    lines = ["".join(_shown(character) for character in line) for line in text.splitlines()]
    whole = "\n".join(line.rstrip() for line in lines)
    return whole if len(whole) <= limit else f"{whole[:limit]}\n… ({len(whole)} characters)"


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Cc", "Zl", "Zp"):
        return " "
    return "" if category in ("Cf", "Cs", "Co", "Cn") else character


def slug(text: str) -> str:
    """A file or anchor name: small letters, digits and dashes only."""
    kept = "".join(character if character.isascii() and character.isalnum() else "-" for character in text.lower())
    return "-".join(filter(None, kept.split("-")))[:60] or "x"
