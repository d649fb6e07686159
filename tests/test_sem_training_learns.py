"""That a training learns: on text it has not seen, far better than anyone who only knows how often each byte occurs."""

import pytest
from training_helpers import CONDITIONS, VARIANT

from sem_impl.system import SEM

STEPS = 120


@pytest.mark.slow
@pytest.mark.parametrize("variant", [VARIANT, SEM.learns], ids=["propagator_before", "every_after"])
def test_a_tiny_model_falls_well_below_the_entropy_of_single_bytes(variant):
    made = SEM.begin(variant, CONDITIONS | {"batch_size": 8}, 0, steps=STEPS)
    fresh, bar = made.judge()
    assert fresh > 5 and 3 < bar < 3.5  # nats: an untrained model is near ln 256
    losses = [made.advance().loss for _ in range(STEPS)]
    loss, _ = made.judge()
    assert loss < 0.8 * bar
    assert loss == pytest.approx(sum(losses[-20:]) / 20, abs=0.3)  # nothing was learnt by heart
