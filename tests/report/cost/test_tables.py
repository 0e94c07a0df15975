"""Tables of a cost suite from journals whose numbers can be computed by hand."""

from dataclasses import replace

import pytest

from softal_bench.report.stats.cost import (
    CostSetting,
    cost_tables,
    memory_table,
    seconds_table,
    share_table,
)
from softal_bench.report.stats.cost_comparisons import ratio_table
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.suite.keys import Ratio

from ..example import write
from .conftest import JOINT, power_law
from .example import MIB, ExampleCosts, lines


def only(costs: ExampleCosts) -> CostSetting:
    (setting,) = costs.settings()
    return setting


def test_seconds_are_median_and_quartiles_of_the_samples(costs: ExampleCosts) -> None:
    write(costs.path(one := costs.condition("bald")), lines(one, [0.4, 0.1, 0.2, 0.3, 0.5]))
    cells = seconds_table(only(costs), 1000).cells
    assert cells.index.tolist() == ["uniform", "bald", JOINT]
    assert cells.columns.tolist() == ["B = 1", "B = 2", "B = 5", "B = 10"]
    assert cells.loc["bald", "B = 1"] == "0.300 [0.200, 0.400] (5)"
    assert cells.loc["uniform", "B = 1"] == "0.00100 [0.000950, 0.00110] (3)"  # from 0.9, 1 and 1.2 ms


def test_cells_that_are_not_done_show_their_status(costs: ExampleCosts) -> None:
    write(costs.path(failed := costs.condition("bald", 100_000, 1)), lines(failed, status="failed"))
    write(costs.path(full := costs.condition("bald", 100_000, 2)), lines(full, status="out_of_memory"))
    write(costs.path(begun := costs.condition("bald", 100_000, 5)), lines(begun)[:2])
    costs.path(costs.condition("uniform", 100_000, 1)).unlink()
    cells = seconds_table(only(costs), 100_000).cells
    assert list(cells.loc[JOINT])[2:] == ["timeout (cell over 20 s)", "not tried"]
    assert list(cells.loc["bald"])[:3] == ["failed", "out of memory", "unfinished"]
    assert cells.loc["uniform", "B = 1"] == "not run"


def test_excluded_combinations_are_dashes_or_absent(costs: ExampleCosts) -> None:
    exclude = "exclude: [{acquisition: batchbald, pool_size: 1000}, {acquisition: bald, batch_size: 10}]\n"
    setting = only(replace(costs, text=f"{costs.text}{exclude}"))
    cells = seconds_table(setting, 1000).cells
    assert cells.index.tolist() == ["uniform", "bald"]
    assert cells.loc["bald", "B = 10"] == ABSENT


def test_the_terminal_shows_only_medians(costs: ExampleCosts) -> None:
    tables = cost_tables(costs.collect())
    assert [table.title for table in tables] == [
        f"Median seconds of one selection, synthetic (C = 10), K = 20, N = {size}"
        for size in ("1000", "10 000", "100 000")
    ]
    assert list(tables[0].cells.loc[JOINT]) == ["0.00100", "0.00400", "0.0250", "0.100"]
    assert list(tables[2].cells.loc[JOINT]) == ["0.100", "0.400", "timeout (cell over 20 s)", "not tried"]


def test_a_ratio_uses_medians_and_its_range_uses_quartiles(costs: ExampleCosts) -> None:
    """BatchBALD takes B^2 times as long as BALD; quartiles are 0.95 and 1.1 times the median."""
    costs = replace(costs, text=costs.text + "measurement: {min_samples: 3}\n")
    costs.measure(power_law)
    write(costs.path(over := costs.condition(JOINT, 100_000, 5)), lines(over, status="timeout"))
    costs.path(costs.condition(JOINT, 100_000, 10)).unlink()
    cells = ratio_table(only(costs), Ratio(of=["batchbald", "uniform"], to="bald")).cells
    assert cells.index.tolist() == ["uniform / bald"] * 3 + [f"{JOINT} / bald"] * 3
    assert cells["N"].tolist() == ["1000", "10 000", "100 000"] * 2
    row = cells.iloc[3]
    assert row["B = 10"] == f"100 [{95 / 1.1:.1f}, {110 / 0.95:.0f}]"
    assert cells.iloc[5].tolist()[1:] == [
        "1.00 [0.864, 1.16]",
        "4.00 [3.45, 4.63]",
        "timeout (cell over 20 s)",
        "not tried",
    ]


def test_a_ratio_of_too_few_samples_has_no_range(costs: ExampleCosts) -> None:
    """Cells of the example have three samples; a range needs five."""
    for label in ("uniform", "bald"):
        write(costs.path(one := costs.condition(label)), lines(one, [1.0] * 5))
    cells = ratio_table(only(costs), Ratio(of=["batchbald", "uniform"], to="bald")).cells
    assert cells.iloc[0]["B = 1"] == "1.00 [1.00, 1.00]"
    assert cells.iloc[3]["B = 10"] == "100"


@pytest.mark.parametrize("to", ["bald", "no_such_method"])
def test_the_ratio_of_a_method_to_itself_or_to_an_absent_one_has_no_row(costs: ExampleCosts, to: str) -> None:
    assert len(ratio_table(only(costs), Ratio(of=["bald"], to=to)).cells) == 0


def test_peak_memory_is_in_mib_or_a_dash_if_it_was_not_measured(costs: ExampleCosts) -> None:
    write(costs.path(one := costs.condition("bald")), lines(one, [1.0], peak_bytes=int(64.25 * MIB)))
    write(costs.path(two := costs.condition("bald", 1000, 2)), lines(two, [1.0], peak_bytes=None))
    assert list(memory_table(only(costs), 1000).cells.loc["bald"]) == ["64.2", ABSENT, "3.00", "3.00"]


def test_selection_is_a_share_of_the_prediction_of_its_own_pool(costs: ExampleCosts) -> None:
    """The journal of each cell has the samples of prediction, but they count once, so the median is 4 ms."""
    for size in (1, 2, 5):
        condition = costs.condition("uniform", 1000, size)
        write(costs.path(condition), lines(condition, [1e-3], predict_seconds=[3e-3, 4e-3, 6e-3]))
    setting = only(costs)
    assert setting.prediction(1000) == pytest.approx((3.5e-3, 4e-3, 5e-3))
    shares = share_table(setting, 1000)
    assert shares is not None
    assert shares.cells.loc["uniform", "B = 1"] == "25.0 %"
    assert shares.cells.loc[JOINT, "B = 10"] == "2500 %"
    assert (setting.prediction(10_000), share_table(setting, 10_000)) == (None, None)


def test_sources_k_and_other_keys_form_settings(costs: ExampleCosts) -> None:
    varied = "  posterior_samples: [20, 100]\n  threads: [1, 2]\n  source: [synthetic, {synthetic: {num_classes: 3}}]\n"
    headings = [setting.heading for setting in replace(costs, text=costs.text + varied).settings()]
    assert len(headings) == 8
    assert headings[0] == "synthetic (C = 10), K = 20, threads = 1"
    assert headings[-1] == "synthetic (C = 3), K = 100, threads = 2"


def test_cells_of_two_devices_are_never_compared(costs: ExampleCosts) -> None:
    write(costs.path(one := costs.condition("bald")), lines(one, [5.0], device="Another CPU"))
    another, example = costs.settings()
    assert another.heading.endswith("K = 20, Another CPU (cpu)")
    assert seconds_table(another, 1000).cells.loc["bald", "B = 1"] == "5.00 [5.00, 5.00] (1)"
    assert seconds_table(example, 1000).cells.loc["bald", "B = 1"] == "on another device"
    assert ratio_table(another, Ratio(of=[JOINT], to="bald")).cells.iloc[0]["B = 1"] == "on another device"
