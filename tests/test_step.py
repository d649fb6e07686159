"""The table of many processes: medians, intervals, ratios of the two that took turns."""

from benchmarks.step import kind_of, summary


def readings(*each):
    return [{"beside": beside, "extra": extra, "whole": whole} for beside, extra, whole in each]


BEFORE = readings((0.2, 1000.0, 8.0), (0.4, 2000.0, 4.0), (0.3, 4000.0, 2.0))
AFTER = readings((0.1, 100.0, 4.0), (0.1, 400.0, 2.0), (0.1, 400.0, 1.0))


def test_ratios_pair_processes_by_their_turn():
    """t intervals of logarithms: of 0.2, 0.4, 0.3 mean -1.2432, half width 4.3027 * 0.3482 / sqrt(3) = 0.8650; of the
    extras' ratios 0.1, 0.2, 0.1 mean -2.0715, half width 4.3027 * 0.4002 / sqrt(3) = 0.9941."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in summary(BEFORE, AFTER, "beyond")[2:]]
    assert rows[0] == ["all but products / products, status_quo", "30.0%", "12.1% to 68.5%", "3"]
    assert rows[1] == ["all but products / products, beyond", "10.0%", "10.0% to 10.0%", "3"]
    assert rows[2] == ["peak above parameters and gradients, of status_quo's", "10.0%", "4.7% to 34.0%", "3"]
    assert rows[3][1:] == ["50.0%", "50.0% to 50.0%", "3"]


def test_one_process_has_no_interval():
    assert all("| - | 1 |" in line for line in summary(BEFORE[:1], AFTER[:1], "beyond")[2:])


def test_only_dense_matrices_make_a_product():
    assert kind_of("head", "aten::addmm_") == "product"
    assert kind_of("propagator.backward", "aten::addmm_") == "sparse"
    assert kind_of("head", "semh::scale_") == "native"
    assert kind_of("head", "aten::exp") == "function"
