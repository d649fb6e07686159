"""A small document of our own with its ledger, and the fewest words that make an entry."""

from __future__ import annotations

from harness.claims.check import digest_of
from harness.claims.extract import lines_of, numbers
from harness.claims.ledger import Claim

DOCUMENT = """# Notes on a sorter (2026-01-05)

## 1. Time

The merge takes **62%** of the time, and the split 9% of it.
Between 4-5 passes are typical at N=2048, since N/2 are merged first.

| stage | ms | share | after | share |
|-------|----|-------|-------|-------|
| split | 9 | 9% | 9 | 12% |
| merge | **62** | 62% | 35 | 48% |

### 1.1 Memory

```
heap  ████████ 3.5 GB
stack ██ 0.5 GB
```

```python
BLOCK = 512  # not a statement
```

## Outlook

- Compression saves >30% (now 12%)
- From 4.5 → 2.5 passes
- At most 50,262 keys fit, at D(2D+1) each
- Same words, 7 times
- Same words, 8 times
"""


def entry(line: int, *tokens: str, name: str = "", document: str = "sorter.md", text: str = DOCUMENT) -> Claim:
    return Claim(
        document=document,
        id=name or f"sorter.line_{line}",
        section="1",
        line=line,
        line_sha256=digest_of(lines_of(text)[line - 1]),
        statement="It is so.",
        numbers=list(tokens),
        kind="measured",
        relation="about",
        stated=1,
        unit="",
        scope="everywhere",
        untested_because="it is an example",
    )


def ledger() -> list[Claim]:
    """One claim for each number of the document."""
    return [
        entry(line.number, token, name=f"sorter.line_{line.number}_{at}")
        for line in numbers(DOCUMENT)
        for at, token in enumerate(line.tokens)
    ]
