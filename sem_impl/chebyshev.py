"""The Chebyshev series of the Cayley transform, equations (5) and (6) of `solve`. No torch, no unit.

    (1 - i a lambda)/(1 + i a lambda) = sum_n c_n T_n(2 lambda/Lam - 1),  0 <= lambda <= Lam
    s = |a| Lam/2, z = i/s - 1, w^2 = z^2 - 1, rho = z - w = 1/(z + w) with |rho| < 1; the difference would cancel
    c_0 = -1 + 2i/(s w), c_n = 4i rho^n/(s w); for a < 0 conjugated

Cut after the least n with 4 |rho|^(n+1)/(|s w| (1 - |rho|)) <= tolerance, which bounds error and norm defect.
"""

import cmath


def coefficients(a: float, bound: float, tolerance: float, most: int) -> list[complex]:
    """c_0 ... c_n, n at most `most`; bound is Lam."""
    s = abs(a) * bound / 2
    z = 1j / s - 1
    w = cmath.sqrt(z * z - 1)
    if abs(z + w) < 1:
        w = -w
    rho = 1 / (z + w)
    c = [-1 + 2j / (s * w)]
    tail = 4 * abs(rho) / (abs(s * w) * (1 - abs(rho)))
    while tail > tolerance and len(c) <= most:
        c.append(4j * rho ** len(c) / (s * w))
        tail *= abs(rho)
    return c if a > 0 else [number.conjugate() for number in c]
