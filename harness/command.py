"""The command line that makes a plan again, from the plan alone."""

from __future__ import annotations

import shlex

from harness.conditions import shown_value
from harness.records import Plan


def command(plan: Plan) -> str:
    """What differs from the defaults of `semh run` and `semh calibrate` is said, and nothing else."""
    words = ["semh", "calibrate" if plan.purpose == "calibrate" else "run", plan.suite_file]
    words += ["--preset", plan.preset] if plan.preset != "quick" else []
    for cell in plan.only:
        words += ["--only", cell]
    for name, value in plan.settings.items():
        said = shown_value(value)
        words += ["--threads", said] if name == "threads" else ["--set", f"{name}={said}"]
    words += ["--max-minutes", shown_value(plan.max_minutes)] if plan.max_minutes is not None else []
    return shlex.join(words)
