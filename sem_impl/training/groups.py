"""switch `learning_rate`: which parameters learn how fast. Source: topology report 4.3, 5.3; P0 issue 5c.

The multiplier of mixer layer l = 0..L-1, m = 4; encoder, propagator and head keep the base rate.

uniform            1
linear_depth       1 + (l/L)(m - 1)
exponential_depth  m^(l/L)

Decay 0.01 on matrices only, as each was marked where it was made (`initial`): what maps one space to another, and the
tables of embedding and codes. Gains, biases, horizons, phases, taps and the weights of H keep their scale.
"""

from torch import nn

MOST = 4.0
DECAY = 0.01


def uniform(layer: int, layers: int) -> float:  # noqa: ARG001 - one signature for all levels
    return 1.0


def linear_depth(layer: int, layers: int) -> float:
    return 1.0 + layer / layers * (MOST - 1.0)


def exponential_depth(layer: int, layers: int) -> float:
    return MOST ** (layer / layers)


LEARNING_RATES = {"uniform": uniform, "linear_depth": linear_depth, "exponential_depth": exponential_depth}


def groups(model: nn.Module, level: str, base_rate: float) -> list[dict]:
    """For torch.optim.AdamW: dicts of `params`, `lr` and `weight_decay`, each parameter in one of them. KeyError for an
    unknown level."""
    layers = model.mixer.layers
    rates = {id(p): 1.0 for p in model.parameters()}
    for number, layer in enumerate(layers):
        rates |= {id(p): LEARNING_RATES[level](number, len(layers)) for p in layer.parameters()}
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for p in model.parameters():
        found.setdefault((rates[id(p)], DECAY if p.matrix else 0.0), []).append(p)
    return [
        {"params": parameters, "lr": base_rate * rate, "weight_decay": decay}
        for (rate, decay), parameters in found.items()
    ]
