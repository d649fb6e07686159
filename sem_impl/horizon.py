"""switch `horizon`: tau in tokens, the memory of a mixer's state at the start; S is the size's seq_len, whatever the
length of an input (a decoding step has one token, and the memory of the sequence).

    (1) |A| = e^(-1/tau) while the step is 1: what entered d tokens ago has the energy |A|^(2d) = e^(-2d/tau)
    (2) the first d tokens after it hold the share 1 - e^(-2d/tau) of all its energy, 1 - e^(-d/tau) of its amplitudes

before     tau = S/e: 83.7 % of the energy within S/3 tokens, 93.4 % within S/2
third      tau = S/3: 86.5 % and 95.0 %, the documents' figures; 63.2 % and 77.7 % of the amplitudes

Source: P0 issue 2.
"""

import math


def before(seq_len: int) -> float:
    return seq_len / math.e


def third(seq_len: int) -> float:
    return seq_len / 3


HORIZONS = {"before": before, "third": third}
