"""SEM and its propagator alone, as the harness sees them: the only room here that knows a harness.

    switches   every switch with its levels, kind, tolerance and source; where it applies
    variants   the named ones
    whole      the system `sem`
    learning   that it learns from text and writes it
    needs      what its levels need of a machine
    alone      the system `sem_propagator`
    pieces     smaller ones: scan, norm, Sinkhorn, phase, step, head with loss, each with the floor of memory beside it

Torch is imported inside functions, so that plans need none.
"""

from sem_impl.system.alone import SEM_PROPAGATOR
from sem_impl.system.whole import SEM

__all__ = ["SEM", "SEM_PROPAGATOR"]
