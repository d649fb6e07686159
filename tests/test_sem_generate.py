"""Text token by token: what the whole forward pass would have said, from carried state."""

import pytest
import torch
from training_helpers import CONDITIONS, SMALL, VARIANT

from sem_impl.generate import generate
from sem_impl.sampler import Sampling
from sem_impl.system import SEM

GREEDY = Sampling(temperature=0.0)


def made(conditions=SMALL, dtype="float64", **levels):
    return SEM.build(VARIANT | levels, conditions, 0, dtype).eval()


def prompts(rows=2, length=5):
    return torch.randint(0, 256, (rows, length), generator=torch.Generator().manual_seed(3))


def drawn(model, prompt, count, sampling=GREEDY, seed=0):
    return torch.stack(list(generate(model, prompt, count, sampling, seed)), 1)


@pytest.mark.parametrize("levels", [{}, {"norm": "layer_norm", "head": "born_quadratic", "residual": "theorem"}])
def test_what_is_drawn_is_what_the_whole_text_read_at_once_says(levels):
    """Twice as long as the size's seq_len; in float64 the largest logit of a random model is no tie."""
    model, prompt = made(**levels), prompts()
    found = drawn(model, prompt, 16)
    text = torch.cat([prompt, found], 1)
    with torch.no_grad():
        logits = model(text[:, :-1]).result
    assert torch.equal(found, logits[:, prompt.shape[1] - 1 :].argmax(-1))
    assert len(set(found.flatten().tolist())) > 3


def test_the_sampler_is_told_what_was_given_and_what_was_drawn():
    """No token twice: 1-grams of prompt and text are banned as they come."""
    prompt = prompts(1, 20)
    found = drawn(made(), prompt, 30, Sampling(no_repeat_ngram=1))
    everything = torch.cat([prompt, found], 1)[0].tolist()
    assert len(set(everything[20:])) == 30 and not set(everything[20:]) & set(everything[:20])
    # a presence penalty counts the drawn ones alone: the most probable is drawn once, though it stands in the prompt
    model = made()
    with torch.no_grad():
        model.head.projection.bias[int(prompt[0, 0])] += 50
    assert drawn(model, prompt, 2, Sampling(temperature=0.0, presence=100.0))[0, 0] == prompt[0, 0]
    assert drawn(model, prompt, 2, Sampling(temperature=0.0, presence=100.0))[0, 1] != prompt[0, 0]


def test_the_seed_decides():
    model, prompt = made(dtype="float32"), prompts()
    first, again, other = (drawn(model, prompt, 8, Sampling(), seed) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_only_bytes_are_drawn_whatever_the_vocabulary():
    model = made(SMALL | {"vocabulary": 300})
    with torch.no_grad():
        model.head.projection.bias[256:] += 100
    assert drawn(model, prompts(), 5).max() < 256


def test_nothing_is_asked_of_autograd_and_nothing_of_the_model_changes():
    model = made()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert not any(token.requires_grad for token in generate(model, prompts(), 3, Sampling(), 0))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert drawn(model, prompts(), 1).shape == (2, 1) and not list(generate(model, prompts(), 0, Sampling(), 0))


def test_what_cannot_be_gone_on_from_is_refused():
    with pytest.raises(ValueError, match="an empty prompt; one token at least is needed to go on from"):
        drawn(made(), prompts(1, 0), 1)
    for count in (0, 1, 2):
        with pytest.raises(ValueError, match="transport sequence: decoding is undefined"):
            list(generate(made(transport="sequence"), prompts(), count, GREEDY, 0))


def test_a_learner_writes_bytes_with_the_tolerance_of_a_finished_training():
    learner = SEM.begin(VARIANT | {"tolerance": "adaptive"}, CONDITIONS, 0, steps=5)
    learner.advance()
    propagator, seen = learner.training.model.propagator.evolve, []
    propagator.register_forward_hook(lambda *_: seen.append(propagator.step().tolerance))
    pieces = list(learner.write(b"ab", 4, 0, {"temperature": 0.5, "top_k": 9}))
    assert len(pieces) == 4 and all(isinstance(piece, bytes) and len(piece) == 1 for piece in pieces)
    assert seen == [1e-6] * 4
    learner.advance()
    assert seen[4:] == [1e-4]
    with pytest.raises(ValueError, match="top_p 0 makes no sense"):
        list(learner.write(b"ab", 4, 0, {"top_p": 0}))
