"""The value of a number token as a document prints it: 78 of `78%`, 50262 of `50,262`, both ends of `55-70%`.

A unit changes nothing: `67M` is 67, and a formula that wants elements says 67e6. `#2` tells a second place on the line.
"""

from __future__ import annotations

import re

_VALUE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_UNIT = r"[ \u00a0]?[^\W\d_%×]*[%×]?"
_TOKEN = re.compile(rf"(?P<low>[-+−]?{_VALUE}){_UNIT}(?:[-–—](?P<high>{_VALUE}){_UNIT})?(?:#[0-9]+)?")


def ends(token: str) -> tuple[float, float]:
    """Both ends of a range; of anything else its value twice. ValueError for what is no number token."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise ValueError(f"{token!r} is no number; 78% or 50,262 or 55-70% would do")
    low = _value(found["low"])
    return low, _value(found["high"]) if found["high"] else low


def _value(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))
