"""Labels against seconds of acquisition, from journals whose numbers can be computed by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from softal_bench.report.figures.choosing import choosing_figure
from softal_bench.report.pages.trials import write_pages
from softal_bench.report.stats.choosing import choosing_panels, choosing_table, seconds_to_target
from softal_bench.report.stats.numbers import ABSENT
from softal_bench.report.stats.tables import Setting, settings

from .example import POWER, ExampleAcquisition, ExampleCondition, ExampleSuite, ExampleTargets, lines, write

SELECT, PREDICT = 0.012345, 0.5  # seconds of each round; labels are 20, 30, 40, 50


def setting(suite: ExampleSuite) -> Setting:
    (found,) = settings(suite.collect())
    return found


def test_seconds_count_rounds_before_the_target_without_training(suite: ExampleSuite) -> None:
    first, second, third = suite.collect().trials
    assert seconds_to_target(first, 0.9) == pytest.approx((30, PREDICT + SELECT, SELECT))
    assert seconds_to_target(second, 0.9) == pytest.approx((50, 3 * (PREDICT + SELECT), 3 * SELECT))
    assert seconds_to_target(third, 0.9) == (math.inf, math.inf, math.inf)
    assert seconds_to_target(third, 0.5) == (20, 0, 0)


def test_a_phase_that_only_some_methods_have_counts_as_choosing(suite: ExampleSuite) -> None:
    condition = suite.conditions[0]
    journal = lines(condition, 0, [0.5, 0.9])
    journal[2]["seconds"] |= {"distil": 7.0, "predict": None}
    write(suite.path(condition, 0), journal)
    assert seconds_to_target(next(suite.collect().trials), 0.9) == pytest.approx((30, 7 + SELECT, SELECT))


def test_the_target_is_the_highest_that_most_methods_reach_in_the_median(suite: ExampleSuite) -> None:
    """The median trial reaches 90 %; only one trial reaches 95 %."""
    (panel,) = choosing_panels(setting(suite), [0.8, 0.9, 0.95])
    assert panel.target == 0.9
    assert choosing_panels(setting(suite), [0.97]) == []


def test_all_b_share_the_target_that_most_methods_reach(suite: ExampleSuite) -> None:
    """At B = 10 uniform reaches 90 %, at B = 15 and 25 only 80 %."""
    others = [replace(suite.conditions[0], batch_size=size) for size in (15, 25)]
    suite = replace(suite, conditions=[*suite.conditions, *others])
    for condition in others:
        write(suite.path(condition, 0), lines(condition, 0, [0.5, 0.8]))
    assert [(panel.batch_size, panel.target) for panel in choosing_panels(setting(suite), [0.8, 0.9])] == [
        (10, 0.8),
        (15, 0.8),
        (25, 0.8),
    ]


def test_unreached_targets_are_infinite_in_the_quartiles_of_the_table(suite: ExampleSuite) -> None:
    row = choosing_table(choosing_panels(setting(suite), [0.9])).cells.loc["uniform"]
    assert (row["B"], row["Target"], row["n"]) == ("10", "90 %", "3")
    assert row["Labels"] == "40 / 50 / ∞"
    assert row["Choosing, s"] == "1.54 [1.02, ∞]"  # from 0.512, 1.537 and ∞
    assert row["of which selection, s"] == "0.0370 [0.0247, ∞]"


def test_markers_are_medians_and_the_hollow_marker_shows_selection_alone(suite: ExampleSuite) -> None:
    found = setting(suite)
    figure = choosing_figure(found.heading, choosing_panels(found, [0.9]), ["uniform"])
    assert figure is not None
    (axes,) = figure.axes
    _, hollow, whole = axes.get_lines()
    np.testing.assert_allclose(np.asarray(whole.get_xydata()), [[3 * (PREDICT + SELECT), 50]])
    np.testing.assert_allclose(np.asarray(hollow.get_xydata()), [[3 * SELECT, 50]])
    assert hollow.get_markerfacecolor() == "white"
    assert axes.get_xscale() == "log"
    assert axes.get_title(loc="left") == "B = 10"
    assert figure.get_supylabel() == "Labels to 90 % test accuracy (lower left is better)"


def test_methods_that_are_not_drawn_are_listed_and_stay_in_the_table(
    suite: ExampleSuite,
) -> None:
    never, absent = replace(suite.conditions[0], acquisition=POWER), replace(POWER, label="power", parameters={})
    suite = replace(suite, conditions=[*suite.conditions, never, ExampleCondition(absent)])
    for trial in range(3):
        write(suite.path(never, trial), lines(never, trial, [0.1, 0.2]))
    write_pages(suite.collect(), suite.leaderboard)
    assert "Not drawn at B = 10: power(bald, T=0.125) (∞ labels), power (not run)." in suite.page
    assert "| power(bald, T=0.125) | 10 | 90 % | ∞ / ∞ / ∞ | ∞ [∞, ∞] | ∞ [∞, ∞] | 3 |" in suite.page
    assert f"| power | 10 | 90 % | not run | {ABSENT} | {ABSENT} | {ABSENT} |" in suite.page
    assert "(figures/example-seconds.svg)" in suite.page


def test_a_target_that_the_initial_set_reaches_takes_no_time_and_is_not_drawn(suite: ExampleSuite) -> None:
    found = setting(suite)
    (panel,) = choosing_panels(found, [0.5])
    assert [point.why_not_drawn for point in panel.points] == ["no seconds spent on choosing"]
    assert choosing_figure(found.heading, [panel], ["uniform"]) is None


def test_a_page_says_if_no_target_is_reached(suite: ExampleSuite) -> None:
    suite = replace(suite, report=ExampleTargets([0.99]))
    write_pages(suite.collect(), suite.leaderboard)
    assert "No method reaches a target in the median." in suite.page
    assert not (suite.leaderboard / "figures" / "example-seconds.svg").exists()


def test_trials_on_two_devices_are_two_points(suite: ExampleSuite) -> None:
    condition = suite.conditions[0]
    journal = lines(condition, 0, [0.5, 0.9])
    journal[0]["environment"] = {"device": "cuda:0", "device_name": "NVIDIA H200"}
    write(suite.path(condition, 0), journal)
    (panel,) = choosing_panels(setting(suite), [0.9])
    names = [point.name for point in panel.points]
    assert names == ["uniform, Example CPU, 2 cores (cpu)", "uniform, NVIDIA H200 (cuda)"]


def test_markers_of_two_devices_are_filled_differently(suite: ExampleSuite) -> None:
    for trial, device in enumerate(["CPU", "GPU", "GPU"]):
        journal = lines(suite.conditions[0], trial, [0.5, 0.9])
        journal[0]["environment"] = {"device": device}
        write(suite.path(suite.conditions[0], trial), journal)
    found = setting(suite)
    figure = choosing_figure(found.heading, choosing_panels(found, [0.9]), ["uniform"])
    assert figure is not None
    fills = [line.get_fillstyle() for line in figure.axes[0].get_lines() if line.get_markersize() >= 8]
    assert len(fills) == len(set(fills))


def test_the_legend_lists_all_methods_even_if_names_share_a_prefix(suite: ExampleSuite) -> None:
    names = ["a" * 60, "a" * 61]
    conditions = [ExampleCondition(ExampleAcquisition(name, "uniform")) for name in names]
    suite = replace(suite, conditions=conditions)
    for condition in conditions:
        write(suite.path(condition, 0), lines(condition, 0, [0.5, 0.9]))
    found = setting(suite)
    figure = choosing_figure(found.heading, choosing_panels(found, [0.9]), names)
    assert figure is not None
    assert len(figure.legends[0].get_texts()) == 3
