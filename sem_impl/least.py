"""How few products with H any polynomial method can take for one Cayley step: the floor under its iterations. No torch.

Every method but the dense one forms x = p(H) q with a polynomial p of degree n, from at least n products with H, and
stops once |b - A x| <= tolerance |b|, b = (I - i a H) q, A = I + i a H, a = dt/2. For rows q with independent
entries of unit variance the squares are, in the mean over rows, sums over the spectrum of H:

    (1) |b|^2 = sum_j (1 + a^2 lambda_j^2),   |b - A x|^2 = sum_j |1 - i a lambda_j - (1 + i a lambda_j) p(lambda_j)|^2
    (2) lambda_j = ln 2 sum_s (2 - 2 cos(2 pi o_s j / P)), j = 0 .. P - 1: with its initial weights at their mean,
        softplus(0) = ln 2, H is circulant
    (3) least n for which the minimum over p of degree n of the second sum in (1) is at most tolerance^2 times the first
    (4) divided by A the second sum asks for p nearest to f = (1 - i a lambda)/(1 + i a lambda) under the weights
        1 + a^2 lambda^2: f loses its part along each orthonormal polynomial, made from the two before it (Stieltjes)

A diagonal preconditioner of the circulant H is a multiple of the identity, so its space is the same. Conjugate
gradients do not minimise (1) and need a product for b besides; Chebyshev series bound the worst lambda. (1) is a mean
over rows: a Krylov method makes a polynomial for each, and may spare a product or two where n is large (dt 5, dt 10).
"""

import math
from functools import cache

from sem_impl.sizes import OFFSETS


@cache
def least_products(width: int, dt: float, tolerance: float, most: int) -> int:
    """n of (3) for P = `width`, at most `most`. A count."""
    a = dt / 2
    angles = [2 * math.pi * j / width for j in range(width // 2 + 1)]  # the others have the same cosines
    twice = [1 if 2 * j in (0, width) else 2 for j in range(width // 2 + 1)]
    eigenvalues = [math.log(2) * sum(2 - 2 * math.cos(offset * angle) for offset in OFFSETS) for angle in angles]
    weights = [times * (1 + (a * x) ** 2) for times, x in zip(twice, eigenvalues, strict=True)]
    error = [(1 - 1j * a * x) / (1 + 1j * a * x) for x in eigenvalues]
    goal = tolerance**2 * sum(weights)
    before, now = [0.0] * len(weights), [1.0] * len(weights)
    for degree in range(most):
        size = math.sqrt(_inner(weights, now, now))
        now = [p / size for p in now]
        part = sum(w * p * e for w, p, e in zip(weights, now, error, strict=True))
        error = [e - part * p for e, p in zip(error, now, strict=True)]
        if sum(w * abs(e) ** 2 for w, e in zip(weights, error, strict=True)) <= goal:
            return degree
        raised = [x * p for x, p in zip(eigenvalues, now, strict=True)]
        centre, overlap = _inner(weights, raised, now), _inner(weights, raised, before)
        following = [r - centre * p - overlap * b for r, p, b in zip(raised, now, before, strict=True)]
        before, now = now, following
    return most


def _inner(weights: list[float], u: list[float], v: list[float]) -> float:
    return sum(w * x * y for w, x, y in zip(weights, u, v, strict=True))
