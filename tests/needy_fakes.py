"""A system whose levels need what no machine has: what would run in their place must never be timed under their name.

NEEDY   `tool: magic` needs a wand, which is nowhere; `tool: rented` is twice as fast and gone after so many
        processes of a run; `pace` as PLAIN has it. Without its tool a level is as fast as `hand`, silently.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.system import Switch
from tests.fakes import BASE_S, PACE, Fake, takes

GONE_AFTER = 8
"""Processes: `prepare`, `sameness` and six trials."""
NO_WAND = "no wand found; a witch may have one"
_process = int(sys.argv[-1]) if sys.argv[-1].isdigit() else 0


def worked(variant: Mapping[str, str]) -> None:
    takes(BASE_S * (2.0 if variant["pace"] == "slow" else 1.0) * (0.5 if variant["tool"] == "rented" else 1.0))


@dataclass
class Needy(Fake):
    def unavailable(self, variant: Mapping[str, str], conditions: Mapping[str, Any], mode: str) -> str | None:
        returned = variant["tool"] == "rented" and _process > GONE_AFTER
        return NO_WAND if variant["tool"] == "magic" or returned else None

    def tools(self) -> Mapping[str, str]:
        return {"wand": NO_WAND, "hand": ""}


TOOL = Switch("tool", ("hand", "magic", "rented"), "exact", "fake 9")
NEEDY = Needy("needy", (PACE, TOOL), worked)
