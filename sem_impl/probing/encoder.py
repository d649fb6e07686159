"""Readings of the encoder: how the transport ended, how sharp its rows are, how far apart it keeps tokens.

(1) row_entropy           mean over rows of -sum_k t[s, k] ln t[s, k], nats; at most ln K
(2) plan_entropy          -sum_sk T ln T of the joint plan T = t / S, mean over batch rows, nats. Rows of T are
                          exactly 1/S, so it is ln S + (1): of ln S + ln K nats no sharpness can take more than ln K
(3) effective_candidates  e to the power of (1)
(4) sharpness             mean over rows of the largest t[s, k]
(5) kept_mass             mean over rows of the M largest t[s, k] together
(6) token_spread          the batch's distinct tokens, each put at the same position of the first batch row: RMS of
                          what is left of sdr without its mean over tokens, over the RMS of sdr. The phase of a
                          position turns all of them alike, so it is the same for psi at every position
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sem_impl.encoder import Encoded, Encoder
from sem_impl.sinkhorn import blocks_of


def read(encoder: Encoder, tokens: Tensor, encoded: Encoded) -> dict[str, float]:
    """tokens [B, S]."""
    rows = by_block(encoder, tokens, encoded.potential, lambda log_t: figures(log_t, encoder.kept))
    entropy, sharpness, kept_mass = rows.mean((0, 1), dtype=torch.float64).tolist()
    sdr = by_block(
        encoder,
        tokens.unique().unsqueeze(0),
        encoded.potential[:1],
        lambda log_t: encoder.sdr(log_t, encoder.output),
    )
    return {
        "sinkhorn_updates": encoded.updates,
        "marginal_error": float(encoded.error),
        "row_entropy": entropy,
        "plan_entropy": math.log(tokens.shape[-1]) + entropy,
        "effective_candidates": math.exp(entropy),
        "sharpness": sharpness,
        "kept_mass": kept_mass,
        "token_spread": float(((sdr - sdr.mean(1)).square().mean() / sdr.square().mean()).sqrt()),
    }


def by_block(encoder: Encoder, tokens: Tensor, v: Tensor, then: Callable[[Tensor], Tensor]) -> Tensor:
    """What `then` makes of the rows of log t [B, s, K] under the potential v [B, 1, K]: a block at a time, so that no
    whole plan is held for the reading's sake."""
    blocks = blocks_of(encoder.point(tokens), len(encoder.codes))
    return torch.cat([then(torch.log_softmax(v - encoder.price(block, encoder.codes), -1)) for block in blocks], 1)


def figures(log_t: Tensor, kept: int) -> Tensor:
    """(1), (4) and (5) of each row, [B, s, 3]."""
    t = log_t.exp()
    most = t.topk(kept, dim=-1, sorted=False).values
    return torch.stack([-(t * log_t).sum(-1), t.amax(-1), most.sum(-1)], -1)
