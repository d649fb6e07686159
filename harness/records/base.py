"""What every record is: frozen, validated when read, unknown keys refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Value = int | float | str | bool


class Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Interval(Record):
    """A point with its 95 % t interval over n trials."""

    point: float
    low: float
    high: float
    n: int
