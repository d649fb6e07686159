"""switch `tolerance`: |b - A x| / |b| at which a token's Cayley step is done. Source: sem_topology_report 3.2 (3).

fixed     1e-6
adaptive  1e-4 before training step 1000, 1e-5 before 10 000, then 1e-6
"""


def fixed(_: int) -> float:
    return 1e-6


def adaptive(training_step: int) -> float:
    return 1e-4 if training_step < 1_000 else 1e-5 if training_step < 10_000 else 1e-6


TOLERANCES = {"fixed": fixed, "adaptive": adaptive}
