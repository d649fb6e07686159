"""The update of a training step as it is measured: AdamW, fused, at a rate of 0.

A rate of 0 does all of the work and leaves every parameter as it is: p <- p (1 - 0 decay) - 0 m/(sqrt v + e). Models
in a process share parameters, and with them the moments m and v, which lie beside the parameter.
"""

from collections.abc import Callable
from typing import Any


def update_of(model: Any, level: str) -> Callable[[], object]:
    """`level` is that of the switch `learning_rate`. The optimiser is made in a model's first call and kept with it."""
    if not hasattr(model, "optimiser"):
        from torch.optim import AdamW

        from sem_impl.training.groups import groups
        from sem_impl.training.loop import BETAS

        model.optimiser = AdamW(groups(model, level, base_rate=0.0), betas=BETAS, fused=True)
        for parameter in model.parameters():
            model.optimiser.state[parameter] = parameter.__dict__.setdefault("moments", {})
    return model.optimiser.step
