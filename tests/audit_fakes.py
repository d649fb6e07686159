"""A system whose probes read what its variant, its conditions and its seed say: nothing is measured, all is known."""

from collections.abc import Mapping
from typing import Any

from fakes import LABEL, PACE, Fake

from harness.system import Probe, Switch

ODD = Switch("odd", ("no", "raises", "nan", "word"), "different", "fake 3")


class Known(Fake):
    """`reading` is rows x (2 if the pace is slow) + seed; `zero` is 0. The level of `odd` says what goes wrong."""

    built = 0

    def build(
        self,
        variant: Mapping[str, str],
        conditions: Mapping[str, Any],
        seed: int,
        dtype: str = "float32",
        share: Any = None,
    ) -> Any:
        Known.built += 1
        if variant["odd"] == "raises":
            raise RuntimeError("planted\nin two lines")
        return variant, conditions, seed

    def read_probes(self, model: Any, batch: Any) -> Mapping[str, float | str]:
        variant, conditions, seed = model
        assert batch.inputs["x"].shape == (conditions["rows"], conditions["width"])
        odd: dict[str, float | str] = {"nan": float("nan"), "word": "stalled"}
        reading = conditions["rows"] * (2.0 if variant["pace"] == "slow" else 1.0) + seed
        return {"reading": odd.get(variant["odd"], reading), "zero": 0.0}


PROBES = (Probe("reading", "rows", "planted"), Probe("zero", "", "planted"))
KNOWN = Known("known", (PACE, LABEL, ODD), lambda _: None, probes=PROBES)
