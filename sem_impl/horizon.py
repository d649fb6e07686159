"""switch `horizon`: tau in tokens, while the step is 1; S is the size's seq_len, whatever the length of an input.

third      S/3 (P0 issue 2)
"""


def third(seq_len: int) -> float:
    return seq_len / 3


HORIZONS = {"third": third}
