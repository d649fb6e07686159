"""Readings of the encoder: how the transport ended."""

from torch import Tensor

from sem_impl.encoder import Encoded, Encoder


def read(encoder: Encoder, tokens: Tensor, encoded: Encoded) -> dict[str, float]:
    return {"sinkhorn_updates": encoded.updates, "marginal_error": float(encoded.error)}
