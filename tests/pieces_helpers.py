"""A piece of the model, called as a worker calls it, at its smallest size."""

TWO_29 = 2.0**-29
"""float64's roundoff over float32's: what a declared rounding shrinks to."""


def conditions(system):
    return {one.name: one.default for one in system.conditions} | dict(next(iter(system.sizes.values())))


def called(system, variant, mode, dtype="float64", **given):
    here = conditions(system) | given
    model, batch = system.build(variant, here, 0, dtype), system.batch(here, 0, dtype)
    output = system.run(model, batch, mode)
    if output.loss is not None:
        output.loss.backward()
    return model, batch, output
