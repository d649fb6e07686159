"""Depthwise causal convolution, complex, on z [B, S, D]: z_t <- sum_(j=0..3) w_j o z_(t-j), w ~ CN(0, 1/4), no bias."""

import torch
from torch import Tensor, nn

from sem_impl.initial import Initial
from sem_impl.sizes import TAPS


class CausalConvolution(nn.Module):
    def __init__(self, initial: Initial, width: int) -> None:
        super().__init__()
        self.taps = initial.complex("taps", (TAPS, width), 1 / TAPS)

    def forward(self, z: Tensor, tail: Tensor) -> tuple[Tensor, Tensor]:
        """tail: the 3 inputs before z, [B, 3, D]. Returns the output and the tail after z."""
        taps = torch.view_as_complex(self.taps)
        length = z.shape[1]
        padded = torch.cat([tail, z], 1)
        out = padded[:, TAPS - 1 :] * taps[0]
        for back in range(1, TAPS):
            start = TAPS - 1 - back
            out = torch.addcmul(out, padded[:, start : start + length], taps[back])
        return out, padded[:, length:]
