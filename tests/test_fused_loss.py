"""The native pass of the chunked loss: extreme logits as torch has them, sums that are as exact at any length and any
number of threads, errors in words. Values and gradients at all block sizes: test_sem_head_loss."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from sem_impl.head import FLOOR, HEADS, Head, LogLinear
from sem_impl.initial import Initial
from sem_impl.kernels.native import library
from sem_impl.kernels.native import loss as native
from sem_impl.loss import chunked, materialised

pytestmark = pytest.mark.skipif(library("loss") is None, reason="no native library here")


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def taken_in(T, targets, floor, size, b=None):
    """The state after blocks of `size` words."""
    state = native.begin(T, len(targets), floor)
    for first in range(0, len(T), size):
        block = slice(first, first + size)
        native.softmax_sums(T[block], None if b is None else b[block], targets, first, floor, state)
    return state


@pytest.mark.parametrize("level", HEADS)
@pytest.mark.parametrize(("width", "vocabulary"), [(5, 7), (3, 1)])
def test_gradients_are_those_of_finite_differences(level, width, vocabulary):
    """Along a direction of everything together: gradcheck would ask for a second backward pass, which is refused. A
    central difference of step 1e-5 is off by 1e-10 of a third derivative and 1e-16/1e-5."""
    head = Head(Initial(0, torch.float64), width, vocabulary, head=level, loss="chunked")
    psi, targets = normal(1, 3, width, 2), torch.arange(3).clamp(max=vocabulary - 1).view(1, 3)
    given = {name: p.detach() for name, p in head.named_parameters()} | {"psi": psi}
    along = {name: normal(*value.shape, seed=seed) for seed, (name, value) in enumerate(given.items())}

    def loss(step):
        moved = {name: (value + step * along[name]).requires_grad_() for name, value in given.items()}
        parameters = {name: value for name, value in moved.items() if name != "psi"}
        return torch.func.functional_call(head, parameters, (torch.view_as_complex(moved["psi"]), targets)), moved

    value, leaves = loss(0.0)
    value.backward()
    slope = sum(float((leaf.grad * along[name]).sum()) for name, leaf in leaves.items())
    difference = float((loss(1e-5)[0] - loss(-1e-5)[0]).detach()) / 2e-5
    assert slope == pytest.approx(difference, rel=1e-7, abs=1e-9)
    assert vocabulary == 1 or abs(slope) > 1e-3


def worded(bias, dtype=torch.float64):
    """A head whose logits are its bias, whatever the token."""
    projection = LogLinear(Initial(0, dtype), 2, len(bias))
    with torch.no_grad():
        projection.weight.zero_()
        projection.bias.copy_(torch.tensor(bias))
    return projection


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "bias",
    [
        [1e4, -1e4, 9999.0, 0.0, 1e4],
        [-1e4] * 33,
        [-math.inf, 0.0, -math.inf, 1.0],
        [-math.inf] * 40 + [3.0, 2.0],
        [-math.inf] * 3,
        [math.inf, 0.0, 1.0],
        [0.0, math.nan, 1.0],
        [math.nan] * 2,
    ],
    ids=["far", "all far below", "some never", "first block never", "all never", "infinite", "nan", "all nan"],
)
def test_extreme_logits_are_as_torch_has_them(bias, dtype):
    """Differences of logits of 1e4 are exact in float32 here, so what is left is rounding of sums of at most 42."""
    found = []
    for level in (materialised, chunked):
        projection = worded(bias, dtype)
        direction = normal(1, 3, 4, dtype=dtype).requires_grad_()
        loss = level(projection, direction, torch.tensor([[0, 1, len(bias) - 1]]))
        loss.backward()
        found.append([loss.detach(), direction.grad, projection.bias.grad, projection.weight.grad])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("level", HEADS)
def test_a_token_that_is_no_number_leaves_the_others_alone(level, bad):
    """In the sums and gradients of a block; products mix tokens afterwards, as they do at the other level."""
    floor = FLOOR if level == "born_quadratic" else None
    T, targets = normal(50, 2, 9), torch.arange(9)
    T[7, :, 4] = bad
    T = (T if floor is not None else T[:, 0]).reshape(50, -1).contiguous()
    state = taken_in(T, targets, floor, 16)
    native.softmax_gradient_(T, None, targets, 0, floor, state, 1.0, None)
    touched = T.view(50, -1, 9).isnan().any(0).any(0)
    assert touched.tolist() == [token == 4 for token in range(9)]
    assert state[1].isnan().tolist() == touched.tolist()


@pytest.mark.parametrize(("floor", "bias"), [(None, False), (None, True), (FLOOR, False)])
@pytest.mark.parametrize("tokens", [1, 17, 513, 1100])
def test_is_its_equation_in_blocks_of_any_size(floor, bias, tokens):
    """Equations (1) and (2) of the source against torch's log_softmax in float64."""
    parts, words = (1, 2)[floor is not None], 45
    T, targets = (
        normal(words, parts * tokens),
        torch.randint(words, (tokens,), generator=torch.Generator().manual_seed(1)),
    )
    b = normal(words, seed=2) if bias else None
    amplitude = T.clone().requires_grad_()
    logits = amplitude if floor is None else torch.log(amplitude.view(words, 2, tokens).square().sum(1) + floor)
    loss = cross_entropy((logits + b.unsqueeze(1) if bias else logits).t(), targets, reduction="sum")
    (expected,) = torch.autograd.grad(loss, amplitude)
    for size in (1, 7, 32, 45):
        state, G, of_b = taken_in(T, targets, floor, size, b), T.clone(), torch.ones(words, dtype=T.dtype)
        top, total, lost, chosen = state
        assert float((top - chosen + (total + lost).log()).sum()) == pytest.approx(float(loss.detach()), rel=1e-13)
        for first in range(0, words, size):
            block = slice(first, first + size)
            given = (None, None) if floor is not None else (b[block] if bias else None, of_b[block])
            native.softmax_gradient_(G[block], given[0], targets, first, floor, state, 1.0, given[1])
        torch.testing.assert_close(G, expected, rtol=1e-12, atol=1e-13)
        if floor is None:
            torch.testing.assert_close(of_b, 1 + expected.sum(1), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("floor", [None, FLOOR])
def test_any_number_of_threads_gives_equal_bits(floor):
    T, targets = normal(300, 2 * 700, dtype=torch.float32), torch.arange(700) % 300
    T = T if floor is not None else T[:, :700].contiguous()
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        state, G, of_b = taken_in(T, targets, floor, 300), T.clone(), torch.zeros(300)
        native.softmax_gradient_(G, None, targets, 0, floor, state, 0.5, of_b if floor is None else None)
        found.append((state, G, of_b))
    for other in found[1:]:
        assert all(torch.equal(one, again) for one, again in zip(found[0], other, strict=True))


@pytest.mark.parametrize("floor", [None, FLOOR])
def test_a_long_sum_in_float32_is_no_worse_than_its_terms(floor):
    """200 000 words in blocks of 1000: a term is within 4 roundings, a sum of 32 within 31 more, longer ones
    are in double and kept in two parts."""
    T, targets = normal(200_000, 2 * 4, dtype=torch.float32), torch.zeros(4, dtype=torch.int64)
    T = T if floor is not None else T[:, :4].contiguous()
    top, total, lost, _ = taken_in(T, targets, floor, 1000).double()
    exact = T.double()
    exact = (exact.exp() if floor is None else exact.view(-1, 2, 4).square().sum(1) + floor).sum(0)
    found = (total + lost) * top.exp()
    assert float((found / exact - 1).abs().max()) < 35 * 2.0**-24


@pytest.mark.parametrize("g", [1.0, 2.5, math.nan])
def test_scale(g):
    x = normal(3, 40_000)
    expected = x * g
    native.scale_(x, torch.tensor(g, dtype=torch.float64))
    torch.testing.assert_close(x, expected, rtol=0, atol=0, equal_nan=True)


def test_no_tokens_at_all_are_as_torch_has_them():
    found = []
    for level in (materialised, chunked):
        projection = worded([1.0, 2.0])
        direction = torch.empty(1, 0, 4, dtype=torch.float64, requires_grad=True)
        loss = level(projection, direction, torch.empty(1, 0, dtype=torch.int64))
        loss.backward()
        found.append((loss.detach(), direction.grad, projection.weight.grad, projection.bias.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, equal_nan=True)


def test_blocks_that_do_not_fit_are_refused_in_words():
    T, targets = normal(6, 4), torch.arange(4)
    state = native.begin(T, 4, None)
    with pytest.raises(ValueError, match=r"T \[6, 4\].*\[rows, 8\]"):
        native.softmax_sums(T, None, targets, 0, FLOOR, state)
    with pytest.raises(ValueError, match="contiguous"):
        native.softmax_sums(normal(4, 6).t(), None, targets, 0, None, state)
    with pytest.raises(TypeError, match="int32"):
        native.softmax_sums(T, None, targets.int(), 0, None, state)
    with pytest.raises(ValueError, match=r"gradient of \[\[5\]\].*\[6\] without a floor"):
        native.softmax_gradient_(T, None, targets, 0, None, state, 1.0, normal(5))
    with pytest.raises(ValueError, match=r"\[\[3\]\], floor 1e-06; \[3\] without a floor"):
        native.softmax_sums(normal(3, 8), normal(3), targets, 0, FLOOR, state)
    with pytest.raises(ValueError, match="one number"):
        native.scale_(T, normal(2))


@pytest.mark.parametrize("size", [1, 3, 40])
def test_terms_below_the_rounding_of_the_sum_are_not_lost_between_blocks(size):
    """1 and 2000 times 2^-25, each of which would leave a float32 sum as it is. Only the terms in the block of the 1,
    which are summed with it in float32, may be lost."""
    T = torch.full((2001, 2), -25 * math.log(2), dtype=torch.float32)
    T[0] = 0
    _, total, lost, _ = taken_in(T, torch.zeros(2, dtype=torch.int64), None, size).double()
    wanted = 1 + T[1:, 0].double().exp().sum()
    assert (total + lost - wanted).abs().max() < size * 2**-25
