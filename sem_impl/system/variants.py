"""Named variants of SEM.

status_quo           every documented *before*; `causal`, since quality under `sequence` is invalid
all_on               every documented *after*, together
propagator_before    the propagator's four changes off, everything else at its documented *after*: the pipeline
                     that leaves the propagator the largest share of a call, so the kindest to the 78 %
propagator_after     the same with the four changes on
beyond               what was possible: the documented *after* where it is a change of the model, elsewhere the fastest
                     level there is, documented or not
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
PROPAGATOR_BEYOND = {
    "method": "chebyshev",
    "matrix": "stencil",
    "preconditioner": "none",
    "tolerance": "fixed",
    "kernels": "fused",
}
"""The full tolerance: at 1e-4 the series needs two products of six less, which no call would show."""
BEYOND = AFTER | {
    "sinkhorn": "fused",
    "scan": "fused",
    "layout": "complex64",
    "loss": "chunked",
    "checkpointing": "none",
}
"""The layout that native kernels read. No checkpoints: native layers keep a third of what others do, and running them
once more would cost more time than all that is beside the products."""
SEOP = ("epsilon", "horizon", "residual", "norm", "preconditioner", "kernels")
VARIANTS = {
    "status_quo": BEFORE | PROPAGATOR_BEFORE,
    "seop": BEFORE | PROPAGATOR_BEFORE | {name: (AFTER | PROPAGATOR_AFTER)[name] for name in SEOP},
    "all_on": AFTER | PROPAGATOR_AFTER,
    "propagator_before": KINDEST | PROPAGATOR_BEFORE,
    "propagator_after": KINDEST | PROPAGATOR_AFTER,
    "beyond": BEYOND | PROPAGATOR_BEYOND,
}
