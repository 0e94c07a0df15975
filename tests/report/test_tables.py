"""Tables from journals whose numbers can be computed by hand."""

from dataclasses import replace

import pytest

from softal_bench.report.stats.numbers import ABSENT, percentage
from softal_bench.report.stats.tables import (
    area_table,
    final_accuracy_table,
    labels_to_target_tables,
    round_cost_table,
    settings,
)

from .example import POWER, ExampleCondition, ExampleSuite, ExampleTargets, lines, write

FIRST = ExampleCondition()


def test_labels_to_reach_an_accuracy_are_quartiles_over_trials(suite: ExampleSuite) -> None:
    (table,) = labels_to_target_tables(suite.collect())
    assert table.title == "Labels to 90 % test accuracy"
    assert table.cells.index.tolist() == ["uniform"]
    assert table.cells.loc["uniform", "B = 10"] == "40 / 50 / ∞ (3)"  # from 30, 50 and ∞


def test_each_target_has_a_table_and_an_unreached_target_is_infinite(suite: ExampleSuite) -> None:
    tables = labels_to_target_tables(replace(suite, report=ExampleTargets([0.5, 0.975])).collect())
    assert [table.cells.iloc[0, 0] for table in tables] == ["20 / 20 / 20 (3)", "∞ / ∞ / ∞ (3)"]
    assert tables[1].title == "Labels to 97.5 % test accuracy"


def test_only_done_trials_count(suite: ExampleSuite) -> None:
    write(suite.path(FIRST, 2), lines(FIRST, 2, [0.95, 0.95], "failed", "boom"))
    (table,) = labels_to_target_tables(suite.collect())
    assert table.cells.iloc[0, 0] == "35 / 40 / 45 (2)"


def test_a_method_without_done_trials_is_shown_with_their_statuses(suite: ExampleSuite) -> None:
    failed, absent = replace(FIRST, acquisition=POWER), replace(FIRST, batch_size=5)
    suite = replace(suite, conditions=[FIRST, failed, absent])
    write(suite.path(failed, 0), lines(failed, 0, [0.5], "failed", "boom"))
    (table,) = labels_to_target_tables(suite.collect())
    assert table.cells.columns.tolist() == ["B = 5", "B = 10"]
    assert list(table.cells.loc["uniform"]) == ["not run", "40 / 50 / ∞ (3)"]
    assert list(table.cells.loc[POWER.label]) == [ABSENT, "1 failed, 2 not run"]


def test_other_varied_keys_form_settings(suite: ExampleSuite) -> None:
    conditions = [FIRST, replace(FIRST, patience=9)]
    suite = replace(suite, conditions=conditions, varied=("acquisition", "training.patience"))
    tables = labels_to_target_tables(suite.collect())
    assert [table.title for table in tables] == [
        "Labels to 90 % test accuracy, training.patience = 3",
        "Labels to 90 % test accuracy, training.patience = 9",
    ]
    assert [table.cells.iloc[0, 0] for table in tables] == ["40 / 50 / ∞ (3)", "not run"]


def test_final_accuracy_and_area_are_means_over_trials(suite: ExampleSuite) -> None:
    """Final accuracies are 95, 90 and 80 %; the areas are the trapezoids of the journals' accuracies."""
    (setting,) = settings(suite.collect())
    final = final_accuracy_table(setting).cells
    assert final.columns.tolist() == ["B = 10, 50 labels"]
    assert final.iloc[0, 0] == "88.3 [80.0, 95.0] (3)"
    areas = [
        (0.5 / 2 + 0.9 + 0.85 + 0.95 / 2) / 3,
        (0.5 / 2 + 0.6 + 0.8 + 0.9 / 2) / 3,
        (0.5 / 2 + 0.6 + 0.7 + 0.8 / 2) / 3,
    ]
    expected = f"{100 * sum(areas) / 3:.2f} [{100 * min(areas):.2f}, {100 * max(areas):.2f}] (3)"
    areas_shown = area_table(setting).cells
    assert areas_shown.columns.tolist() == ["B = 10, 20 to 50 labels"]
    assert areas_shown.iloc[0, 0] == expected


def test_one_trial_has_a_mean_and_no_interval(suite: ExampleSuite) -> None:
    (setting,) = settings(replace(suite, trials=1).collect())
    assert final_accuracy_table(setting).cells.iloc[0, 0] == f"95.0 [{ABSENT}] (1)"


def test_cost_is_the_median_round_and_the_median_peak(suite: ExampleSuite) -> None:
    """Training takes 2, 3, 4, 5 s in each trial's rounds; peaks are 100, 101, 102 MiB."""
    (setting,) = settings(suite.collect())
    row = round_cost_table(setting).cells.loc["uniform"]
    assert row["Training, s"] == "3.50 [2.75, 4.25]"
    assert row["Selection, s"] == "0.0123 [0.0123, 0.0123]"
    assert row["Evaluation, s"] == "0.250 [0.250, 0.250]"
    assert (row["Peak memory, MiB"], row["n"]) == ("101", "3")


def test_prediction_and_selection_are_not_counted_in_a_round_that_acquires_nothing(
    suite: ExampleSuite,
) -> None:
    for trial in range(3):
        journal = lines(FIRST, trial, [0.5, 0.6])
        journal[-2]["seconds"] = {"train": 2.0, "predict": 0.0, "select": None, "evaluate": 0.25}
        journal[-2]["peak_bytes"] = None
        write(suite.path(FIRST, trial), journal)
    (setting,) = settings(suite.collect())
    row = round_cost_table(setting).cells.loc["uniform"]
    assert row["Prediction, s"] == "0.500 [0.500, 0.500]"
    assert row["Selection, s"] == "0.0123 [0.0123, 0.0123]"


def test_a_phase_that_only_some_methods_have_gets_a_column(suite: ExampleSuite) -> None:
    journal = lines(FIRST, 0, [0.5, 0.6])
    journal[2]["seconds"]["distil"] = 7.0
    write(suite.path(FIRST, 0), journal)
    (setting,) = settings(suite.collect())
    assert round_cost_table(setting).cells.loc["uniform", "Distillation, s"] == "7.00 [7.00, 7.00]"


def test_an_unknown_phase_may_have_the_name_of_a_heading(suite: ExampleSuite) -> None:
    journal = lines(FIRST, 0, [0.5, 0.6])
    journal[2]["seconds"]["Training"] = 7.0
    write(suite.path(FIRST, 0), journal)
    (setting,) = settings(replace(suite, trials=1).collect())
    assert round_cost_table(setting).cells["Training, s"].iloc[0].tolist() == ["2.50 [2.25, 2.75]", "7.00 [7.00, 7.00]"]


def test_a_phase_without_seconds_is_0(suite: ExampleSuite) -> None:
    journal = lines(FIRST, 0, [0.5, 0.6])
    journal[2]["seconds"]["predict"] = 0.0
    write(suite.path(FIRST, 0), journal)
    (setting,) = settings(replace(suite, trials=1).collect())
    assert round_cost_table(setting).cells.loc["uniform", "Prediction, s"] == "0"


def test_costs_on_two_devices_are_two_rows(suite: ExampleSuite) -> None:
    journal = lines(FIRST, 0, [0.5, 0.6])
    journal[0]["environment"] = {"device": "cuda:0", "device_name": "NVIDIA H200"}
    write(suite.path(FIRST, 0), journal)
    (setting,) = settings(suite.collect())
    cells = round_cost_table(setting).cells
    assert cells["Device"].tolist() == ["Example CPU, 2 cores (cpu)", "NVIDIA H200 (cuda)"]
    assert cells["n"].tolist() == ["2", "1"]


@pytest.mark.parametrize(
    ("fraction", "text"), [(0.9, "90 %"), (0.57, "57 %"), (0.999, "99.9 %"), (0.123456, "12.3456 %")]
)
def test_fractions_are_shown_in_per_cent(fraction: float, text: str) -> None:
    assert percentage(fraction) == text
