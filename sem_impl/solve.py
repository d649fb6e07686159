"""switch `method`: (I + i a H) x = (I - i a H) q, solved for many right-hand sides at once.

Shapes: rows q [rows, P] complex, one token a row; inside a solve blocks [P, 2 rows] real (see `kernels`), weights of H
[3, P] (see `hamiltonian`). No units. a = dt/2, negative for the adjoint. Any real dtype; arithmetic in that of q.

A = I + i a H is complex symmetric and normal, not Hermitian; its singular values are sqrt(1 + a^2 lambda^2) >= 1.
    (1) b = (I - i a H) q, x_0 = 0
    (2) a token is frozen, its steps are 0, once |r| <= tolerance |b|
    (3) cg, cocg:  c = rho/pair(p, A p);  x += c p;  r -= c A p;  rho' = pair(r, m r);  p <- m r + (rho'/rho) p
        pair: cg Re u^H v, conjugate gradients as if A were positive definite; cocg u'v, unconjugated
    (4) cgnr:  the same for A^H A in CGLS form, s = A^H r;  c = s^H m s/|A p|^2
    (5) chebyshev:  x = sum_n c_n T_n(2H/Lam - I) q, Lam = 2 max_i H_ii;  s = a Lam/2, z = i/s - 1, w^2 = z^2 - 1,
        rho = z - w with |rho| < 1;  c_0 = -1 + 2i/(s w), c_n = 4i rho^n/(s w); for a < 0 conjugated
    (6) its degree: the least n with 4 |rho|^(n+1)/(|s w| (1 - |rho|)) <= tolerance
    (7) direct:  x = U q, U = (I + i a H)^-1 (I - i a H), dense
    (8) block_jacobi:  m_j = (1 - i a d_j)/(1 + a^2 d_j^2), d = diag H; for cgnr m_j = 1/(1 + a^2 (H^2)_jj)

Every solver does what it does and is never replaced by another one; `solved` says what came of it. With `kernels` fused
and `matrix` stencil, (3) and (5) are one native operator (`whole`): the same mathematics, (3) for each token by itself.
Sources: sem_topology_report 3.2; sem_p0_issues 1; van der Vorst and Melissen 1990 (cocg); Paige and Saunders 1982
(cgls).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from sem_impl.chebyshev import coefficients
from sem_impl.hamiltonian import MATRICES, Product, degrees, dense, spectral_bound, squared_diagonal
from sem_impl.kernels import kernels_of
from sem_impl.kernels.fused import WHOLE, Fused, Result

Watch = Callable[[Tensor | None], None]
"""Told before each update which tokens it moves, None for all of them; only `solved` listens."""


@dataclass(frozen=True)
class Step:
    """Which step, and how: levels of the four switches, a number for the tolerance."""

    a: float
    method: str = "cocg"
    matrix: str = "cached"
    preconditioner: str = "none"
    kernels: str = "eager"
    tolerance: float = 1e-6
    max_iterations: int = 50


@dataclass(frozen=True)
class Operator:
    """What a method sees."""

    weights: Tensor
    a: float
    product: Product
    kernels: type
    inverse: Callable[[Tensor, float], Tensor | None]
    normal_inverse: Callable[[Tensor, float], Tensor | None]
    unitary: Tensor | None
    tolerance: float
    max_iterations: int
    watch: Watch


def _unweighted(_: Tensor, __: float) -> None:
    return None


def _jacobi(weights: Tensor, a: float) -> Tensor:
    t = a * degrees(weights)
    return torch.complex(torch.ones_like(t), -t) / (1 + t.square())


def _normal_jacobi(weights: Tensor, a: float) -> Tensor:
    return 1 / (1 + a * a * squared_diagonal(weights))


PRECONDITIONERS = {"none": (_unweighted, _unweighted), "block_jacobi": (_jacobi, _normal_jacobi)}
"""Inverse diagonals for A and for A^H A, equation (8)."""


def _ratio(active: Tensor, over: Tensor, under: Tensor) -> Tensor:
    return torch.where(active, over / under, 0)


def _conjugate(A: Operator, field: Tensor, pairing: str) -> Tensor:
    """Equation (3). A token whose rho is rounding noise against |r|^2 has broken down, and is frozen too."""
    k = A.kernels(field, pairing)
    m = A.inverse(A.weights, A.a)
    p = k.block(field)
    r = torch.empty_like(p)
    A.product(p, r)
    k.operate(p, r, -A.a)
    x, Hp = torch.zeros_like(r), torch.empty_like(r)
    size, rho = k.sizes(r, m)
    goal, noise, beta = A.tolerance**2 * size, 8 * torch.finfo(size.dtype).eps, torch.zeros_like(rho)
    for _ in range(A.max_iterations):
        active = (size > goal) & (rho.abs() > noise * size)
        if not active.any():
            break
        A.watch(active)
        k.turn(p, r, m, beta)
        A.product(p, Hp)
        c = _ratio(active, rho, k.curvature(p, Hp, A.a))
        before = rho
        size, rho = k.step(x, r, p, Hp, c, A.a, m)
        beta = _ratio(active, rho, before)
    return k.field(x)


def cg(A: Operator, field: Tensor) -> Tensor:
    return _conjugate(A, field, "real")


def cocg(A: Operator, field: Tensor) -> Tensor:
    return _conjugate(A, field, "bilinear")


def cgnr(A: Operator, field: Tensor) -> Tensor:
    """Equation (4)."""
    k = A.kernels(field, "normal")
    m = A.normal_inverse(A.weights, A.a)
    p = k.block(field)
    r = torch.empty_like(p)
    A.product(p, r)
    k.operate(p, r, -A.a)
    x, s = torch.zeros_like(r), torch.empty_like(r)
    size, _ = k.sizes(r, None)
    goal, before = A.tolerance**2 * size, torch.full_like(size, inf)
    for _ in range(A.max_iterations):
        active = size > goal
        if not active.any():
            break
        A.watch(active)
        A.product(r, s)
        k.operate(r, s, -A.a)
        gamma = k.total(s, m)
        k.turn(p, s, m, _ratio(active, gamma, before))
        A.product(p, s)
        c = _ratio(active, gamma, k.curvature(p, s, A.a))
        before = gamma
        size, _ = k.step(x, r, p, s, c, A.a, None)
    return k.field(x)


def chebyshev(A: Operator, field: Tensor) -> Tensor:
    """Equation (5) by T_0 = 1, T_1 = Y, T_n+1 = 2 Y T_n - T_n-1, where Y = 2H/Lam - I."""
    bound = spectral_bound(A.weights)
    first, *rest = coefficients(A.a, bound, A.tolerance, A.max_iterations)
    k = A.kernels(field)
    now = k.block(field)
    x, after = torch.empty_like(now), torch.empty_like(now)
    k.start(now, x, first)
    factor = 1.0
    for c in rest:
        A.watch(None)
        A.product(now, after, alpha=2 * factor / bound, beta=1 - factor)
        k.recur(after, now, factor, x, c)
        now, after, factor = after, now, 2.0
    return k.field(x)


def unitary(weights: Tensor, a: float) -> Tensor:
    """U of equation (7). Its entries fall off exponentially with the distance on the graph; those near the smallest
    normal number are set to 0: products with denormal numbers are many times slower, and carry nothing."""
    iaH = 1j * a * dense(weights)
    one = torch.eye(len(iaH), dtype=iaH.dtype, device=iaH.device)
    U = torch.linalg.solve(one + iaH, one - iaH)
    limits = torch.finfo(weights.dtype)
    parts = torch.view_as_real(U)
    parts.masked_fill_(parts.abs() < limits.tiny / limits.eps, 0)
    return U


def direct(A: Operator, field: Tensor) -> Tensor:
    """Equation (7)."""
    U = unitary(A.weights, A.a) if A.unitary is None else A.unitary
    return A.kernels.rotate(field, U)


METHODS: dict[str, Callable[[Operator, Tensor], Tensor]] = {
    "cg": cg,
    "cocg": cocg,
    "cgnr": cgnr,
    "chebyshev": chebyshev,
    "direct": direct,
}


def _unwatched(_: Tensor | None) -> None:
    return None


def multiplied(step: Step, kernels: type, weights: Tensor) -> Product:
    """H of a step: the level of `kernels` may have a product of its own."""
    return kernels.products.get(step.matrix, MATRICES[step.matrix])(weights)


def whole(step: Step, field: Tensor) -> bool:
    """Whether Kerr phase and solve are one operator."""
    return step.matrix == "stencil" and step.method in WHOLE and kernels_of(step.kernels, field) is Fused


def evolve(step: Step, psi: Tensor, kappa: Tensor | None, weights: Tensor) -> Result:
    """That operator, with an adjoint of its own: psi [rows, P] complex, no phase without kappa -> psi' and, of cocg,
    updates of x per row."""
    return WHOLE[step.method](step, psi, kappa, weights)


def advance(
    step: Step,
    field: Tensor,
    weights: Tensor,
    unitary: Tensor | None = None,
    product: Product | None = None,
    watch: Watch = _unwatched,
) -> Tensor:
    """x of equation (1) in the layout of `kernels`. `unitary` and `product` where the caller has them already."""
    kernels = kernels_of(step.kernels, field)
    if whole(step, field):
        return evolve(step, field, None, weights)[0]
    inverse, normal_inverse = PRECONDITIONERS[step.preconditioner]
    A = Operator(
        weights=weights,
        a=step.a,
        product=product or multiplied(step, kernels, weights),
        kernels=kernels,
        inverse=inverse,
        normal_inverse=normal_inverse,
        unitary=unitary,
        tolerance=step.tolerance,
        max_iterations=step.max_iterations,
        watch=watch,
    )
    return METHODS[step.method](A, field)
