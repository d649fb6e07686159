"""The linear recurrence of the mixer, complex, with data-dependent diagonal transitions.

    (1) h_t = A_t h_(t-1) + u_t,  t = 1..S                      A, u, h: [B, S, H] complex;  h_0: [B, H]
    (2) gb_t = g_t + conj(A_(t+1)) gb_(t+1),  gb_(S+1) = 0      adjoint, g_t = dL/dh_t
    (3) dL/dA_t = gb_t conj(h_(t-1)),  dL/du_t = gb_t,  dL/dh_0 = conj(A_1) gb_1

The state carried out is h_S = h[:, -1]: a gradient on it is one on h. All levels are called as level(A, u, h_0) -> h.

chunked   c = about sqrt(S) positions a chunk. All chunks at once: the recurrence from a zero state and the running
          products of A, c steps each; then chunk after chunk the state carried in is added, weighted by those
          products. Three passes over the data, about 3 sqrt(S) operators, no division, so |A| may underflow.
          The adjoint (2) is the same recurrence from the other end.
"""

import math

import torch
from torch import Tensor


def recur(A: Tensor, u: Tensor, state: Tensor, *, backward: bool = False) -> Tensor:
    """(1) in chunks; `backward` runs from the last position to the first."""
    batch, length, width = u.shape
    size = max(1, math.isqrt(length))
    whole = length - length % size
    out = torch.empty_like(u)
    body = slice(length - whole, length) if backward else slice(0, whole)
    chunked = (batch, whole // size, size, width)
    A_body, u_body, h = A[:, body].reshape(chunked), u[:, body].reshape(chunked), out[:, body].view(chunked)
    product = torch.empty_like(h)
    steps = range(size - 1, -1, -1) if backward else range(size)
    before = None
    for step in steps:
        if before is None:
            h[:, :, step] = u_body[:, :, step]
            product[:, :, step] = A_body[:, :, step]
        else:
            h[:, :, step] = torch.addcmul(u_body[:, :, step], A_body[:, :, step], h[:, :, before])
            torch.mul(A_body[:, :, step], product[:, :, before], out=product[:, :, step])
        before = step
    chunks = range(whole // size)
    for chunk in reversed(chunks) if backward else chunks:
        h[:, chunk].addcmul_(product[:, chunk], state.unsqueeze(1))
        state = h[:, chunk, steps[-1]]
    rest = range(length - whole - 1, -1, -1) if backward else range(whole, length)
    for position in rest:
        state = torch.addcmul(u[:, position], A[:, position], state)
        out[:, position] = state
    return out


class Chunked(torch.autograd.Function):
    @staticmethod
    def forward(ctx, A: Tensor, u: Tensor, state: Tensor) -> Tensor:
        h = recur(A, u, state)
        ctx.save_for_backward(A, h, state)
        return h

    @staticmethod
    def backward(ctx, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        A, h, state = ctx.saved_tensors
        following = torch.cat([A[:, 1:], torch.zeros_like(A[:, :1])], 1).conj().resolve_conj()
        gb = recur(following, g.resolve_conj(), torch.zeros_like(state), backward=True)
        earlier = torch.cat([state.unsqueeze(1), h[:, :-1]], 1)
        return gb * earlier.conj(), gb, A[:, 0].conj() * gb[:, 0]


def chunked(A: Tensor, u: Tensor, state: Tensor) -> Tensor:
    return Chunked.apply(A, u, state)


SCANS = {"chunked": chunked}
