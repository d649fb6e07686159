"""Numbers other than time, read in an untimed pass of their own, stage by stage: name `stage.reading` -> value.

A file for each stage reads what its stage's equations define, over all positions of a forward pass from an empty state,
whatever the mode: of a decode or prefill cell too. They cost several forward passes: the plan of the encoder once more
block by block, the mixer twice and a half (its text, half of it, and with the first token turned), the propagator once
with a product more in double on the host, of the head a search for 32 tokens and two ranks of 512 x 512 at most.
"""

import torch
from torch import Tensor

from sem_impl.model import Model
from sem_impl.probing import encoder, head, mixer


@torch.no_grad()
def read(model: Model, tokens: Tensor) -> dict[str, float | str]:
    """tokens [B, S]."""
    encoded = model.encoder(tokens)
    of_mixer, mixed = mixer.read(model.mixer, encoded.psi)
    of_propagator, evolved = model.propagator.evolve.probe(model.propagator.expanded(mixed))
    readings = {
        "encoder": encoder.read(model.encoder, tokens, encoded),
        "mixer": of_mixer,
        "propagator": of_propagator,
        "head": head.read(model.head, evolved),
    }
    return {f"{stage}.{name}": value for stage, found in readings.items() for name, value in found.items()}
