"""The sampler, each step by its published definition, on numbers worked out by hand."""

import math

import pytest
import torch

from sem_impl import sampler
from sem_impl.sampler import Sampling, draw, probabilities

EXACT = {"rtol": 1e-12, "atol": 1e-15}
"""A handful of float64 operations on numbers of order one."""


def row(*values):
    return torch.tensor([values], dtype=torch.float64)


def ids(*values):
    return torch.tensor([values], dtype=torch.int64)


NONE = torch.empty(1, 0, dtype=torch.int64)


def close(found, *expected):
    return torch.allclose(found, row(*expected), **EXACT)


def test_without_options_it_is_the_softmax_of_the_logits():
    # e^0 : e^ln2 : e^ln5 = 1 : 2 : 5
    assert close(probabilities(row(0.0, math.log(2), math.log(5)), NONE, 0, Sampling()), 1 / 8, 2 / 8, 5 / 8)


def test_repetition_divides_positive_and_multiplies_negative_logits_of_what_was_seen():
    # 0, 1 and 3 were seen (3 twice, which makes no difference); theta 2: 4/2, -1*2; 2 was not; 0 stays 0
    found = sampler.repetition(row(4.0, -1.0, 3.0, 0.0), ids(3, 0, 1, 3), 2.0)
    assert close(found, 2.0, -2.0, 3.0, 0.0)
    # below 1 it favours what was seen
    assert close(sampler.repetition(row(4.0, -1.0, 3.0), ids(0, 1), 0.5), 8.0, -0.5, 3.0)


def test_presence_is_taken_off_once_and_frequency_every_time():
    # 1 was drawn three times: 2 - 0.5 - 3 * 0.25; 2 once: 3 - 0.5 - 0.25
    found = sampler.presence_and_frequency(row(1.0, 2.0, 3.0), ids(1, 2, 1, 1), 0.5, 0.25)
    assert close(found, 1.0, 0.75, 2.25)


def test_presence_and_frequency_count_what_was_drawn_repetition_what_stands_there():
    """The first token was given: repetition halves its logit, the other two leave it alone."""
    found = probabilities(row(2.0, 2.0, 0.0), ids(0, 1), 1, Sampling(repetition=2.0, presence=0.25, frequency=0.5))
    # 2/2 = 1 and 2/2 - 0.25 - 0.5 = 0.25
    logits = row(1.0, 0.25, 0.0)
    assert torch.allclose(found, torch.softmax(logits, -1), **EXACT)


def test_a_token_is_banned_that_would_complete_an_ngram_seen_before():
    logits = row(1.0, 2.0, 3.0, 4.0)
    # after (0 1): 2 and 3 have followed, 0 has not
    history = ids(0, 1, 2, 0, 1, 3, 0, 1)
    assert close(sampler.no_repeat_ngram(logits, history, 3), 1.0, 2.0, -math.inf, -math.inf)
    # after 1: the same two
    assert close(sampler.no_repeat_ngram(logits, history, 2), 1.0, 2.0, -math.inf, -math.inf)
    # 1-grams: whatever stands there
    assert close(sampler.no_repeat_ngram(logits, ids(2, 0), 1), -math.inf, 2.0, -math.inf, 4.0)
    # an n-gram may overlap the end: 1 has followed (1 1)
    assert close(sampler.no_repeat_ngram(logits, ids(1, 1, 1), 3), 1.0, -math.inf, 3.0, 4.0)
    # none is complete yet
    assert close(sampler.no_repeat_ngram(logits, ids(0, 1), 3), 1.0, 2.0, 3.0, 4.0)
    assert close(sampler.no_repeat_ngram(logits, history, 0), 1.0, 2.0, 3.0, 4.0)


def test_a_ban_of_everything_is_an_error():
    with pytest.raises(ValueError, match="no_repeat_ngram 1: every token is banned; a longer n-gram would do"):
        probabilities(row(1.0, 2.0), ids(0, 1), 2, Sampling(no_repeat_ngram=1))


def test_temperature_divides_the_logits():
    # 1 : 2 squared and rooted
    assert close(sampler.tempered(row(0.0, math.log(2)), 0.5), 1 / 5, 4 / 5)
    assert close(sampler.tempered(row(0.0, math.log(4)), 2.0), 1 / 3, 2 / 3)
    assert close(sampler.tempered(row(0.0, 1.0), 1e-310), 0.0, 1.0)


def test_temperature_zero_is_the_largest_logit_and_the_lowest_id_among_equals():
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        assert draw(row(1.0, 3.0, 3.0, 2.0), NONE, 0, Sampling(temperature=0.0), generator).tolist() == [1]
    # after penalties and bans: 1 loses half, and 2 is banned
    banned = Sampling(temperature=0.0, repetition=2.0, no_repeat_ngram=2)
    assert draw(row(1.0, 3.0, 3.0, 2.0), ids(1, 2, 1), 3, banned, generator).tolist() == [3]


def test_top_k_keeps_the_k_most_probable():
    p = row(0.1, 0.4, 0.2, 0.3)
    assert close(sampler.top_k(p, 2), 0.0, 4 / 7, 0.0, 3 / 7)
    assert close(sampler.top_k(p, 1), 0.0, 1.0, 0.0, 0.0)
    assert close(sampler.top_k(p, 9), 0.1, 0.4, 0.2, 0.3)
    assert close(sampler.top_k(row(0.25, 0.25, 0.25, 0.25), 2), 0.5, 0.5, 0.0, 0.0)


def test_top_p_keeps_the_shortest_prefix_that_has_the_mass():
    p = row(0.125, 0.5, 0.25, 0.125)
    # 0.5 < 0.6 <= 0.75
    assert close(sampler.top_p(p, 0.6), 0.0, 2 / 3, 1 / 3, 0.0)
    # exactly enough is enough
    assert close(sampler.top_p(p, 0.75), 0.0, 2 / 3, 1 / 3, 0.0)
    # one more: the lower id of two equals; 0.5 + 0.25 + 0.125 = 7/8
    assert close(sampler.top_p(p, 0.76), 1 / 7, 4 / 7, 2 / 7, 0.0)
    # always one
    assert close(sampler.top_p(p, 1e-9), 0.0, 1.0, 0.0, 0.0)


def test_min_p_is_a_share_of_the_largest():
    # 0.5 * 0.4 = 0.2 is still in
    p = torch.tensor([[1, 8, 4, 3]], dtype=torch.float64) / 16
    assert close(sampler.min_p(p, 0.5), 0.0, 2 / 3, 1 / 3, 0.0)
    assert close(sampler.min_p(p, 1.0), 0.0, 1.0, 0.0, 0.0)
    assert close(sampler.min_p(row(0.5, 0.5), 1.0), 0.5, 0.5)


def test_typical_keeps_what_is_nearest_to_the_entropy():
    # -log2 p = 1, 2, 3, 3; entropy 1/2 + 2/4 + 3/8 + 3/8 = 1.75 bits; distances 0.75, 0.25, 1.25, 1.25 bits:
    # the second comes first, the most probable after it
    p = row(0.5, 0.25, 0.125, 0.125)
    assert close(sampler.typical(p, 0.2), 0.0, 1.0, 0.0, 0.0)
    assert close(sampler.typical(p, 0.25), 0.0, 1.0, 0.0, 0.0)
    assert close(sampler.typical(p, 0.26), 2 / 3, 1 / 3, 0.0, 0.0)
    # 0.75 < 0.8 <= 0.875: the lower id of two equally typical
    assert close(sampler.typical(p, 0.8), 4 / 7, 2 / 7, 1 / 7, 0.0)
    # what a filter before has removed comes last and counts nothing: 1 bit each
    assert close(sampler.typical(row(0.0, 0.5, 0.5), 0.9), 0.0, 0.5, 0.5)


def test_filters_share_out_what_the_one_before_left():
    # top_k 3 of (8 4 2 1)/15 leaves (8 4 2)/14; top_p 0.8: 8/14 < 0.8 <= 12/14, so (8 4)/12. Without the sharing out
    # 12/15 = 0.8 would do the same, 0.82 would not: 12/15 < 0.82 <= 12/14
    logits = torch.tensor([[8.0, 4.0, 2.0, 1.0]], dtype=torch.float64).log()
    assert close(probabilities(logits, NONE, 0, Sampling(top_k=3, top_p=0.82)), 2 / 3, 1 / 3, 0.0, 0.0)
    # top_p 0.7 leaves (8 4)/12 first; min_p 0.5 then keeps both, 0.51 one
    assert close(probabilities(logits, NONE, 0, Sampling(top_p=0.7, min_p=0.5)), 2 / 3, 1 / 3, 0.0, 0.0)
    assert close(probabilities(logits, NONE, 0, Sampling(top_p=0.7, min_p=0.51)), 1.0, 0.0, 0.0, 0.0)


def test_steps_come_in_their_order():
    """Of two steps that do not commute, the order in which they stand in the module is the one that is seen."""
    logits = torch.tensor([[8.0, 4.0, 3.0, 1.0]], dtype=torch.float64).log()
    # temperature before top_p: at 1/2 the most probable has 64/90 = 0.71 and is enough for 0.7; at 1 it has a half
    assert close(probabilities(logits, NONE, 0, Sampling(temperature=0.5, top_p=0.7)), 1.0, 0.0, 0.0, 0.0)
    # presence before temperature: (0 - 1) / 0.5 against 0
    found = probabilities(row(0.0, 0.0), ids(0), 0, Sampling(presence=1.0, temperature=0.5))
    assert close(found, 1 / (1 + math.exp(2)), 1 / (1 + math.exp(-2)))
    # top_p before min_p: 1/2 < 0.6 <= 3/4 leaves two; after min_p the first alone would have 2/3
    assert close(probabilities(logits, NONE, 0, Sampling(top_p=0.6, min_p=0.4)), 2 / 3, 1 / 3, 0.0, 0.0)
    # repetition before frequency: 0 was drawn once, ln 8 / 2 - 1 and not (ln 8 - 1) / 2
    found = sampler.probabilities(logits, ids(0), 0, Sampling(repetition=2.0, frequency=1.0))
    assert torch.allclose(found, torch.softmax(logits - row(math.log(8) / 2 + 1, 0, 0, 0), -1), **EXACT)
    # a ban before top_k: the second and third are shared out, nothing of k is lost on the first
    found = probabilities(logits, ids(0), 1, Sampling(no_repeat_ngram=1, top_k=2))
    assert close(found, 0.0, 4 / 7, 3 / 7, 0.0)
    # top_k before typical. (8 4)/12: entropy 0.918 bits, distances 0.33 and 0.67: the first. Of all four, entropy
    # 1.70 bits, distances 0.70, 0.30, 0.71, 2.30: the second would be
    assert close(probabilities(logits, NONE, 0, Sampling(top_k=2, typical=0.1)), 1.0, 0.0, 0.0, 0.0)
    assert close(probabilities(logits, NONE, 0, Sampling(typical=0.1)), 0.0, 1.0, 0.0, 0.0)
    # min_p before typical, likewise: 3 < 0.4 * 8 leaves the same two
    assert close(probabilities(logits, NONE, 0, Sampling(min_p=0.4, typical=0.1)), 1.0, 0.0, 0.0, 0.0)


def test_rows_of_a_batch_do_not_meet():
    logits = torch.randn(3, 40, generator=torch.Generator().manual_seed(1))
    history = torch.randint(0, 40, (3, 30), generator=torch.Generator().manual_seed(2))
    every = Sampling(0.8, 30, 0.95, 0.02, 0.9, 1.3, 0.2, 0.1, 2)
    together = probabilities(logits, history, 10, every)
    for number in range(3):
        alone = probabilities(logits[number : number + 1], history[number : number + 1], 10, every)
        assert torch.equal(together[number : number + 1], alone)
    assert torch.allclose(together.sum(-1), torch.ones(3, dtype=torch.float64), **EXACT)
    assert (together > 0).sum(-1).max() < 30


def test_draws_have_the_probabilities_and_the_seed_decides():
    logits = row(0.0, math.log(2), math.log(5)).expand(20_000, 3)
    history = torch.empty(20_000, 0, dtype=torch.int64)
    found = [draw(logits, history, 0, Sampling(), torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    shares = torch.bincount(found[0], minlength=3).double() / 20_000
    # five deviations of sqrt(p (1 - p) / n), at most 0.0036
    assert torch.allclose(shares, torch.tensor([1, 2, 5], dtype=torch.float64) / 8, atol=5 * 0.0036)
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("temperature", (-0.1, math.nan, math.inf)),
        ("top_k", (-1, 1.5, math.nan, math.inf)),
        ("top_p", (0.0, -0.5, 1.1, math.nan)),
        ("min_p", (-0.1, 1.1, math.nan)),
        ("typical", (0.0, 1.1, math.nan)),
        ("repetition", (0.0, -1.0, math.inf, math.nan)),
        ("presence", (math.inf, math.nan)),
        ("frequency", (-math.inf, math.nan)),
        ("no_repeat_ngram", (-1, 2.5, math.nan)),
    ],
)
def test_values_that_make_no_sense_are_refused(name, values):
    for value in values:
        with pytest.raises(ValueError, match=f"{name} {value!r} makes no sense; .* would do"):
            Sampling(**{name: value})


@pytest.mark.parametrize("logit", [math.nan, math.inf])
def test_logits_that_are_not_finite_are_refused(logit):
    with pytest.raises(ValueError, match="a logit is not finite; a model whose loss is finite would do"):
        probabilities(row(0.0, logit), NONE, 0, Sampling())
