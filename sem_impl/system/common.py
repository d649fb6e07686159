"""What the whole model and its propagator alone have in common."""

from typing import Any

from harness.system import Condition, Conditions, Probe

ROUNDOFF = 2.0**-24
"""Of float32."""
DEVICES = ("cpu", "cuda", "xpu")

EVOLUTION = (
    Condition("propagator_layers", 1, 1, 64, doc="Kerr and Cayley steps, each with its own parameters"),
    Condition("dt", 0.1, 1e-4, 10.0, doc="a = dt/2"),
    Condition("training_step", 0, 0, 10**9, doc="what the adaptive tolerance depends on"),
    Condition("max_iterations", 50, 1, 10_000, doc="of the solver, per layer"),
)
PROBES = (
    Probe("iterations_mean", "iterations", "updates of x per solve, mean over tokens and layers", exact=True),
    Probe("iterations_max", "iterations", "updates of x per solve, worst token and layer", exact=True),
    Probe("products", "products", "of H with a block, all layers", exact=True),
    Probe("residual", "", "worst true |b - A x| / |b|"),
    Probe("norm_defect", "", "worst | |psi'| / |q| - 1 |"),
    Probe("outcome", "", "how the solves ended"),
)


def evolution(conditions: Conditions) -> dict[str, Any]:
    return {name: conditions[name] for name in ("dt", "training_step", "max_iterations")}


def device_of(conditions: Conditions) -> str:
    """Parameters and inputs are drawn on the host and moved there: they are the same on every device."""
    return str(conditions.get("device", "cpu"))
