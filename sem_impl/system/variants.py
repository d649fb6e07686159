"""Named variants of SEM.

status_quo           every documented *before*; `causal`, since quality under `sequence` is invalid
all_on               every documented *after*, together
propagator_before    the propagator's four changes off, everything else at its documented *after*: the pipeline
                     that leaves the propagator the largest share of a call, so the kindest to the 78 %
propagator_after     the same with the four changes on
"""

PROPAGATOR_BEFORE = {
    "method": "cocg",
    "matrix": "rebuild",
    "preconditioner": "none",
    "tolerance": "fixed",
    "kernels": "eager",
}
PROPAGATOR_AFTER = {
    "method": "cocg",
    "matrix": "cached",
    "preconditioner": "block_jacobi",
    "tolerance": "adaptive",
    "kernels": "compiled",
}
BEFORE = {
    "transport": "causal",
    "epsilon": "fixed",
    "sinkhorn": "dense",
    "horizon": "before",
    "norm": "layer_norm",
    "residual": "inverse_sqrt_depth",
    "scan": "blelloch",
    "layout": "complex64",
    "head": "born_quadratic",
    "loss": "materialised",
    "learning_rate": "uniform",
    "checkpointing": "none",
}
AFTER = {
    "transport": "causal",
    "epsilon": "dimension",
    "sinkhorn": "dense",
    "horizon": "third",
    "norm": "complex_rms",
    "residual": "learned_horizon",
    "scan": "chunked",
    "layout": "interleaved",
    "head": "log_linear",
    "loss": "materialised",
    "learning_rate": "exponential_depth",
    "checkpointing": "every_k",
}
KINDEST = AFTER | {"layout": "complex64", "learning_rate": "uniform", "checkpointing": "none"}
"""`AFTER` without checkpointing, which costs time, and without the learning rate, which only an update reads; with the
layout that the scan is fastest in."""
SEOP = ("epsilon", "horizon", "residual", "norm", "preconditioner", "kernels")
VARIANTS = {
    "status_quo": BEFORE | PROPAGATOR_BEFORE,
    "seop": BEFORE | PROPAGATOR_BEFORE | {name: (AFTER | PROPAGATOR_AFTER)[name] for name in SEOP},
    "all_on": AFTER | PROPAGATOR_AFTER,
    "propagator_before": KINDEST | PROPAGATOR_BEFORE,
    "propagator_after": KINDEST | PROPAGATOR_AFTER,
}
