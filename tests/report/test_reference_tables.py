"""Published figures next to our results."""

import math
from dataclasses import replace
from typing import cast

import numpy as np
import pytest

from softal_bench.records.trials import Results
from softal_bench.report.pages.published import PublishedLabels, published_tables, verdict
from softal_bench.report.pages.sections import Rendered
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.statistics import median_interval
from softal_bench.suite import Reference

from .example import POWER, UNIFORM, ExampleCondition, ExampleSuite, lines, write

INF = math.inf


def reference() -> Reference:
    rows = [
        {"published_as": "Random", "acquisition": "uniform", "batch_size": 10, "labels": {"0.9": "30 / 40 / ∞"}},
        {"published_as": "SoftmaxBALD", "acquisition": POWER.label, "batch_size": 10, "labels": {"0.9": "∞"}},
    ]
    return Reference.model_validate({"title": "A table", "source": "A paper", "differences": ["One."], "rows": rows})


def collected(suite: ExampleSuite) -> Results:
    """Return the example's results with the reference."""
    return replace(suite, reference=reference()).collect()


@pytest.fixture
def results(suite: ExampleSuite) -> Results:
    both = replace(suite, conditions=[ExampleCondition(UNIFORM), ExampleCondition(POWER)])
    for trial, reached in enumerate([1, 2, 3]):  # 0.9 with 30, 40 and 50 labels
        write(both.path(both.conditions[0], trial), lines(both.conditions[0], trial, [0.5] * reached + [0.9]))
    return collected(both)


def test_each_published_row_is_shown_with_our_quantiles_trials_interval_and_verdict(results: Results) -> None:
    (table,) = published_tables(results, cast(Reference, results.suite.reference))
    assert table.title == "Labels to 90 % test accuracy, published and ours"
    row = table.cells.loc["uniform"]
    assert row.to_dict() == {
        "Published as": "Random",
        "B": "10",
        "Published": "30 / 40 / ∞",
        "Ours": "35 / 40 / 45",
        "n": "3",
        "Interval of our median": "[30, 50]",
        "Published median": "inside",
    }


def test_a_condition_that_was_not_run_is_shown_without_an_estimate(results: Results) -> None:
    (table,) = published_tables(results, cast(Reference, results.suite.reference))
    row = table.cells.loc[POWER.label]
    assert (row["Published"], row["Ours"], row["n"]) == ("∞ / ∞ / ∞", "not run", ABSENT)
    assert row["Published median"] == "not run"


def test_the_page_names_the_source_and_the_known_differences(results: Results) -> None:
    text = "\n".join(PublishedLabels().render(results).parts)
    assert "A table. Source: A paper." in text
    assert "- One." in text
    assert "No trial is dropped" in text


def test_the_section_is_absent_without_a_reference(suite: ExampleSuite) -> None:
    assert PublishedLabels().render(suite.collect()) == Rendered()


@pytest.mark.parametrize(
    ("published", "ours", "where"),
    [
        (200.0, [150.0, 180.0, 190.0], "outside"),
        (170.0, [150.0, 180.0, 190.0], "inside"),
        (INF, [320.0, INF, INF], "inside"),
        (INF, [320.0, 320.0, 270.0], "outside"),
        (300.0, [INF, INF, INF], "outside"),
        (INF, [INF, INF, INF], "inside"),
        (300.0, [], "too few trials"),
        (300.0, [300.0], "too few trials"),
    ],
)
def test_the_verdict_says_if_our_interval_contains_the_published_median(
    published: float, ours: list[float], where: str
) -> None:
    assert verdict(published, ours)[1] == where


def test_a_median_interval_agrees_with_all_resamples() -> None:
    # All 5^5 resamples of five values are equally likely, so the quantiles of their medians are known exactly.
    values = [10.0, 20.0, 30.0, 50.0, 80.0]
    every = np.stack(np.meshgrid(*[values] * 5), axis=-1).reshape(-1, 5)
    medians = np.median(every, axis=1)
    expected = np.quantile(medians, [0.025, 0.975])
    assert median_interval(values) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("values", [[1.0, INF], [1.0, 2.0, INF, INF], [INF] * 4])
def test_an_interval_with_infinities_has_no_nan(values: list[float]) -> None:
    interval = median_interval(values)
    assert interval is not None
    low, high = interval
    assert low <= high
    assert high == INF
