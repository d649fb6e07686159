"""What the probes of `sem` read, by stage: `encoder.marginal_error` in a suite. `sem_impl.probing` reads them."""

from harness.system import Probe
from sem_impl.system.common import PROBES

ENCODER = (
    Probe("sinkhorn_updates", "updates", "of the transport's potential", exact=True),
    Probe("marginal_error", "", "sum over candidates of |mass - 1/K|"),
)
MIXER: tuple[Probe, ...] = ()
HEAD: tuple[Probe, ...] = ()


def _of(stage: str, probes: tuple[Probe, ...]) -> tuple[Probe, ...]:
    return tuple(Probe(f"{stage}.{each.name}", each.unit, each.doc, each.exact) for each in probes)


READINGS = (*_of("encoder", ENCODER), *_of("mixer", MIXER), *_of("propagator", PROBES), *_of("head", HEAD))
