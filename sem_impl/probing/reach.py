"""Can a token be the most likely one? For some unit psi, token v has strictly the largest logit of all V.

(1) witness   psi = w_v/|w_v| first; where another token wins there, ascent of l_v - max_(u != v) l_u on the sphere.
              Whatever was tried, a token counts as reached only where the head itself says so.
(2) proof     of the contrary. log_linear: w_v = sum_u c_u w_u and b_v <= sum_u c_u b_u with c >= 0, sum_u c_u = 1
              over u != v; then l_v <= sum_u c_u l_u <= max_u l_u for every psi. A linear program: w_v lies inside
              the convex hull of the others.
              born_quadratic: w_v = c w_u with |c| <= 1; then |<w_v, psi>| <= |<w_u, psi>| for every psi.
What neither settles is left open. Search and proof are made where W is small enough; the first witness always.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from sem_impl.head import BornQuadratic, LogLinear, Projection

SEARCHED = 1 << 22
"""Numbers in W up to which is searched: 40 products with all of W cost less than a second."""
PROVEN = 1 << 18
"""Up to which is proved: a linear program takes seconds beyond."""
STEPS = 40
ALIKE = 1e-9
"""Relative; for vectors in float64."""


def reach(projection: Projection, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """tokens [n] -> (reached, proven never to be), both [n] bool."""
    W = projection.weight.detach().flatten(1)
    x = normalize(W[tokens], dim=-1)
    reached = wins(projection, x, tokens)
    never = torch.zeros_like(reached)
    if W.numel() <= SEARCHED and not reached.all():
        left = ~reached
        reached[left] = searched(projection, x[left], tokens[left])
    if W.numel() <= PROVEN:
        proof = PROOFS[type(projection)]
        for place in (~reached).nonzero().flatten():
            never[place] = proof(projection, int(tokens[place]))
    return reached, never


def wins(projection: Projection, x: Tensor, tokens: Tensor) -> Tensor:
    """Whether tokens[i] has strictly the largest logit at the real unit row x[i]."""
    return margins(projection(x), tokens) > 0


def margins(logits: Tensor, tokens: Tensor) -> Tensor:
    own = logits.gather(-1, tokens.unsqueeze(-1))
    others = logits.scatter(-1, tokens.unsqueeze(-1), -torch.inf)
    return own.squeeze(-1) - others.amax(-1)


def searched(projection: Projection, x: Tensor, tokens: Tensor) -> Tensor:
    """Whether ascent from x finds a witness: steps of 1/2, 1/3, ... along the gradient of the margin."""
    found = torch.zeros(len(tokens), dtype=torch.bool, device=x.device)
    for step in range(STEPS):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            margin = margins(projection(x), tokens)
            (gradient,) = torch.autograd.grad(margin.sum(), x)
        found |= margin.detach() > 0
        x = normalize(x.detach() + normalize(gradient, dim=-1) / (2 + step), dim=-1)
    return found | wins(projection, x, tokens)


def inside_the_hull(projection: LogLinear, token: int) -> bool:
    from scipy.optimize import linprog

    W = projection.weight.detach().flatten(1).double().cpu()
    b = projection.bias.detach().double().cpu()
    others = torch.arange(len(W)) != token
    equal = torch.cat((W[others].t(), torch.ones(1, len(W) - 1)))
    wanted = torch.cat((W[token], torch.ones(1)))
    found = linprog(
        torch.zeros(len(W) - 1).numpy(),
        A_eq=equal.numpy(),
        b_eq=wanted.numpy(),
        A_ub=-b[others].unsqueeze(0).numpy(),
        b_ub=[-float(b[token])],
        method="highs",
    )
    return bool(found.status == 0)


def parallel_to_a_longer(projection: BornQuadratic, token: int) -> bool:
    W = torch.view_as_complex(projection.weight.detach().double())
    sizes = W.norm(dim=1)
    overlaps = (W.conj() @ W[token]).abs()
    shadowed = (overlaps >= (1 - ALIKE) * sizes * sizes[token]) & (sizes >= sizes[token])
    shadowed[token] = False
    return bool(shadowed.any())


PROOFS = {BornQuadratic: parallel_to_a_longer, LogLinear: inside_the_hull}
