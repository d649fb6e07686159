"""A system that can be planned but never built: switches of every kind, and a memory that is easy to reckon."""

from dataclasses import dataclass, field
from pathlib import Path

from harness.plan import make_plan
from harness.suite import read_suite
from harness.system import Condition, Estimate, Switch

GB = 1e9

SWITCHES = (
    Switch("method", ("cg", "cocg", "direct"), "approximate", "here"),
    Switch("matrix", ("rebuild", "cached"), "exact", "here", applies=lambda v: v["method"] != "direct"),
    Switch("preconditioner", ("none", "jacobi"), "approximate", "here", applies=lambda v: v["method"] != "direct"),
    Switch("head", ("born", "loglinear"), "different", "here"),
    Switch("trim", ("off", "on"), "exact", "here", applies=lambda v: v["head"] == "loglinear"),
    Switch("edge", ("soft", "hard"), "exact", "here", applies=lambda v: v["trim"] == "on"),
)
CONDITIONS = (
    Condition("batch_size", 2, 1, 4096),
    Condition("width", 64, 1, 65536),
    Condition("dt", 0.1, 0.001, 10.0),
)
STATUS_QUO = {
    "method": "cocg",
    "matrix": "rebuild",
    "preconditioner": "none",
    "head": "born",
    "trim": "off",
    "edge": "soft",
}
ALL_ON = {
    "method": "cocg",
    "matrix": "cached",
    "preconditioner": "jacobi",
    "head": "loglinear",
    "trim": "on",
    "edge": "hard",
}


@dataclass(frozen=True)
class PlannedSystem:
    """parameters: width^2 x 1e6 bytes; activations: batch_size x width x 1e6 bytes."""

    name: str = "sem"
    title: str = "a system for plans"
    switches: tuple = SWITCHES
    conditions: tuple = CONDITIONS
    sizes: dict = field(default_factory=lambda: {"tiny": {"width": 8}, "document": {"batch_size": 32, "width": 64}})
    modes: tuple = ("forward", "train_step")
    devices: tuple = ("virtual",)
    variants: dict = field(default_factory=lambda: {"status_quo": STATUS_QUO, "all_on": ALL_ON})
    stages: dict = field(default_factory=lambda: {"encoder": "encoder", "head": "head"})
    probes: tuple = ()
    rounding: float = 1e-6
    gradient_slack: float = 10.0

    def estimate(self, variant, conditions, mode):
        width, batch_size = conditions["width"], conditions["batch_size"]
        return Estimate(flops=1e6 * width, parameter_bytes=width**2 * 1e6, activation_bytes=batch_size * width * 1e6)

    def build(self, variant, conditions, seed, dtype="float32", share=None):
        raise AssertionError("a plan builds nothing")

    batch = run = read_probes = build


SYSTEM = PlannedSystem()
BARE = PlannedSystem(name="bare", stages={}, sizes={})
NOT_A_SYSTEM = object()

HEAD = "suite: seop\ntitle: Does it hold?\nsystem: plan_helpers:SYSTEM\n"


def suite_of(folder: Path, body: str, head: str = HEAD):
    file = folder / "seop.yaml"
    file.write_text(head + body)
    return read_suite(file)


def plan_of(folder: Path, body: str, head: str = HEAD, **options):
    options.setdefault("available_bytes", 1000 * GB)
    return make_plan(suite_of(folder, body, head), **options)


CONTROLS = ["control", "control 2", "control 3"]
"""Of a part whose blocks are cheap."""


def names(part, control: bool = False):
    return [cell.name for cell in part.cells if control or not cell.control]
