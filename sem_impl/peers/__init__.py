"""Public peers as further levels of the pieces (`sem_impl.system.pieces`): measured in the same trials, on the same
numbers, held to the same outputs.

    SCAN       jax_scan, jax_associative_scan    `jax.lax.scan` and `jax.lax.associative_scan`
               mambapy                           the parallel scan of mambapy
    SINKHORN   pot                               Sinkhorn-Knopp of POT, scaling form
               ott                               Sinkhorn of OTT-JAX, as `lse_mode` does it; ott_kernel: scaling form
    CAYLEY     scipy_splu, scipy_gmres           sparse LU, factored once; GMRES on all rows at once
               lineax_bicgstab                   lineax's BiCGStab on all rows at once
    LOSS       linear_cross_entropy              torch's own, where this torch has it: all logits at once, or chunked

A suite names them as `sem_impl.peers:SCAN`; nothing else of this project loads this package, and the packages it needs
(extra `peers`) are imported where a level is built, so a level whose package is missing is untested alone and says what
installs it. What a peer must have in its own form is made once where it depends on parameters alone, as that peer's
user would; what depends on the input is part of its call. JAX is compiled in the call before the first that counts,
holds as many threads as the process was given, and is waited for.
"""

from sem_impl.peers.system import CAYLEY, LOSS, SCAN, SINKHORN

__all__ = ["CAYLEY", "LOSS", "SCAN", "SINKHORN"]
