"""Numbers other than time, read in an untimed pass of their own, stage by stage: name `stage.reading` -> value.

A file for each stage reads what its stage's equations define; costs stay well below that of a call at any size.
"""

import torch
from torch import Tensor

from sem_impl.model import Model
from sem_impl.probing import encoder, head, mixer


@torch.no_grad()
def read(model: Model, tokens: Tensor) -> dict[str, float | str]:
    """tokens [B, S]."""
    encoded = model.encoder(tokens)
    mixed, _ = model.mixer(encoded.psi)
    expanded = model.propagator.expanded(mixed)
    readings = {
        "encoder": encoder.read(model.encoder, tokens, encoded),
        "mixer": mixer.read(model.mixer, encoded.psi),
        "propagator": model.propagator.evolve.probe(expanded),
        "head": head.read(model.head, model.propagator.evolve(expanded)),
    }
    return {f"{stage}.{name}": value for stage, found in readings.items() for name, value in found.items()}
