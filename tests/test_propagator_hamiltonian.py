import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from propagator_helpers import weights_of

from sem_impl.hamiltonian import (
    MATRICES,
    OFFSETS,
    _pattern,
    check_width,
    degrees,
    dense,
    spectral_bound,
    squared_diagonal,
)

graphs = st.builds(weights_of, st.integers(129, 200), st.integers(0, 99), spread=st.floats(0, 3))


def by_definition(weights):
    """Sum of w (e_i - e_j)(e_i - e_j)' over all edges, one edge after the other."""
    P = weights.shape[1]
    H = torch.zeros(P, P, dtype=weights.dtype)
    for w, o in zip(weights, OFFSETS, strict=True):
        for i in range(P):
            j = (i + o) % P
            H[i, i] += w[i]
            H[j, j] += w[i]
            H[i, j] -= w[i]
            H[j, i] -= w[i]
    return H


def test_dense_is_the_definition():
    weights = weights_of(131, spread=1.0)
    assert torch.allclose(dense(weights), by_definition(weights), rtol=1e-14, atol=1e-14)


def test_the_merged_matrix_keeps_the_rules_of_its_format():
    """Columns ascend within every row, among others: torch checks them all, where `cached` asks it not to."""
    starts, columns, order = _pattern(131, torch.device("cpu"))
    H = torch.sparse_csr_tensor(starts, columns, torch.ones(len(order)), (131, 131), check_invariants=True)
    assert H.to_dense().sum(1).tolist() == [2 * len(OFFSETS) + 1] * 131


@settings(max_examples=15)
@given(graphs)
def test_laplacian(weights):
    H = dense(weights)
    rounding = 1e-13 * H.diagonal().max()
    assert torch.equal(H, H.T)
    assert H.sum(1).abs().max() < rounding
    spectrum = torch.linalg.eigvalsh(H)
    assert spectrum[0] > -10 * rounding
    assert spectrum[-1] < spectral_bound(weights)
    assert torch.equal(H.diagonal(), degrees(weights))
    assert torch.allclose(squared_diagonal(weights), (H @ H).diagonal(), rtol=1e-12)


@settings(max_examples=15)
@given(graphs, st.integers(1, 9), st.sampled_from(sorted(MATRICES)))
def test_products_are_those_of_the_dense_matrix_and_accumulate(weights, columns, matrix):
    product, H = MATRICES[matrix](weights), dense(weights)
    v = torch.randn(weights.shape[1], columns, dtype=weights.dtype)
    out = torch.full_like(v, torch.nan)
    product(v, out)
    scale = 1e-13 * spectral_bound(weights) * v.abs().max()
    assert (out - H @ v).abs().max() < scale
    before = torch.randn_like(v)
    out = before.clone()
    product(v, out, alpha=0.3, beta=-1.0)
    assert (out - (0.3 * H @ v - before)).abs().max() < scale


def test_at_the_documented_width():
    weights = weights_of(2048)
    H = dense(weights)
    assert (H != 0).sum() == 7 * 2048
    largest = torch.linalg.eigvalsh(H)[-1].item()
    assert 7.9 < largest < 8.3
    assert 1 < spectral_bound(weights) / largest < 1.2


@pytest.mark.parametrize("P", [0, 1, 64, 128])
def test_narrow_graphs_are_refused(P):
    with pytest.raises(ValueError, match="more than 128 nodes"):
        check_width(P)
