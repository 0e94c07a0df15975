"""Batches that should be equal are compared point by point, using journals written by hand."""

from dataclasses import replace

import pytest

from softal_bench.report.pages.cost import cost_page
from softal_bench.report.stats.cost_comparisons import agreement, agreement_table
from softal_bench.report.stats.numbers import ABSENT

from ..example import write
from .conftest import JOINT
from .example import ExampleCosts, lines

GROUP = "report: {same_batch: [[bald, batchbald]]}\n"


def choose(costs: ExampleCosts, label: str, acquired: list[int] | None, pool_size: int = 1000) -> None:
    """Write a done cell that chose these positions."""
    condition = costs.condition(label, pool_size, 5)
    journal = lines(condition, [0.2])
    if acquired is not None:
        journal[2]["acquired"] = acquired
    write(costs.path(condition), journal)


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ([7, 3, 9, 1, 4], "all 5"),
        ([7, 3, 1, 9, 4], "all 5, in another order"),
        ([7, 3, 1, 9, 8], "4 of 5, the first 2 in order"),
        ([8, 3, 9, 1, 4], "4 of 5, the first 0 in order"),
        ([10, 11, 12, 13, 14], "0 of 5, the first 0 in order"),
    ],
)
def test_agreement_counts_common_points_and_leading_points_in_order(other: list[int], text: str) -> None:
    assert agreement([7, 3, 9, 1, 4], other) == text


def test_a_group_is_compared_with_its_first_method_at_each_n_and_b(costs: ExampleCosts) -> None:
    choose(costs, "bald", [7, 3, 9, 1, 4])
    choose(costs, JOINT, [7, 3, 1, 9, 8])
    (setting,) = costs.settings()
    cells = agreement_table(setting, ["bald", "batchbald"]).cells
    assert cells.index.tolist() == [f"{JOINT} / bald"] * 3
    assert cells["N"].tolist() == ["1000", "10 000", "100 000"]
    assert cells.iloc[0]["B = 5"] == "4 of 5, the first 2 in order"


def test_cells_without_a_batch_show_why(costs: ExampleCosts) -> None:
    """Journals of earlier versions do not record the batch, and BatchBALD timed out at N = 100 000 and B = 5."""
    choose(costs, "bald", [7, 3, 9, 1, 4])
    exclude = "exclude: [{acquisition: batchbald, pool_size: 10000, batch_size: 5}]\n"
    (setting,) = replace(costs, text=f"{costs.text}{exclude}").settings()
    cells = agreement_table(setting, ["bald", JOINT]).cells["B = 5"]
    assert cells.tolist() == ["not recorded", ABSENT, "timeout (cell over 20 s)"]


def test_the_page_shows_agreement_and_ratio_of_each_group_if_requested(costs: ExampleCosts) -> None:
    choose(costs, "bald", [7, 3, 9, 1, 4])
    choose(costs, JOINT, [7, 3, 9, 1, 4])
    assert "Agreement" not in cost_page(costs.collect())[0]
    page, _ = cost_page(replace(costs, text=costs.text + GROUP).collect())
    assert page.count("\n### Agreement of batches\n") == 1
    assert "**Points of the batch in common with bald**" in page
    assert f"| {JOINT} / bald | 1000 | not recorded | not recorded | all 5 | not recorded |" in page
    assert "**Ratio of seconds of one selection to bald**" in page
    assert "in no group" in page
