"""Pages of a cost suite written from journals with known answers."""

from dataclasses import replace
from pathlib import Path

import pytest

from softal_bench.errors import SoftalError
from softal_bench.report.pages.cost import write_cost_pages
from softal_bench.report.pages.trials import write_pages

from ..example import ExampleSuite, write
from .conftest import JOINT
from .example import ExampleCosts, lines

RATIO = "report: {ratio: {of: [batchbald], to: bald}}\n"


def publish(costs: ExampleCosts) -> str:
    write_cost_pages(costs.collect(), costs.leaderboard)
    return costs.page


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_page_shows_progress_and_results(costs: ExampleCosts) -> None:
    page = publish(replace(costs, text=costs.text + RATIO))
    assert "\n# What choosing costs\n\nSeconds of a choice.\n\nAnd more.\n" in page
    assert "**34 of 36 cells done**; 1 timed out, 1 not tried (3 acquisition functions)." in page
    assert "\n## synthetic (C = 10), K = 20\n" in page
    assert "\n### Ratio of seconds: batchbald / bald\n" in page
    assert f"| {JOINT} / bald | 1000 | 1.00 | 4.00 |" in page
    assert f"| {JOINT} | 2.00 [2.00, 2.00] (4) |" in page
    assert "fewer samples than `measurement.min_samples`" in page.replace("\n", " ")
    assert "\n### N = 100 000\n" in page
    assert "| 0.400 [0.380, 0.440] (3) | timeout (cell over 20 s) | not tried |" in page
    assert "The figure against N shows B = 10, " in page
    assert "\n## Notes\n" in page
    assert "- Device: Example CPU, 2 cores (cpu)\n- CPU threads of a cell: 2\n- Python: 3.11.4\n" in page
    assert "- Packages: softal-bench 0.1.0, torch 2.4.0\n- Dates: 2025-03-01 (UTC)\n" in page
    assert "- limits.cell_seconds: 20" in page
    assert page.endswith("The sources of log-probs:\n\n- synthetic (C = 10): num_classes: 10\n")


def test_the_same_journals_give_the_same_bytes(costs: ExampleCosts) -> None:
    publish(costs)
    first = contents(costs.leaderboard)
    assert set(first) == {
        "costs.md",
        "README.md",
        "figures/costs-against-B.svg",
        "figures/costs-against-N.svg",
        "figures/manifest.json",
    }
    publish(costs)
    assert contents(costs.leaderboard) == first


def test_a_page_says_if_its_suite_was_not_measured(tmp_path: Path) -> None:
    costs = ExampleCosts(tmp_path, ExampleCosts(tmp_path).text + RATIO)
    page = publish(costs)
    assert "**0 of 36 cells done**; 36 not run" in page
    assert "No cell is done in more than 0 s or over a limit." in page
    assert "No method has 4 cells done along B or N." in page
    assert "No cell was run." in page
    assert not (costs.leaderboard / "figures").exists()


def test_failures_and_unreadable_journals_are_listed(costs: ExampleCosts) -> None:
    failed, broken = costs.condition("bald"), costs.condition("uniform")
    write(costs.path(failed), lines(failed, status="failed", error="ValueError: score | NaN"))
    costs.path(broken).write_text("no journal\n")
    page = publish(costs)
    assert "**32 of 36 cells done**; 1 failed, 1 timed out, 1 not readable, 1 not tried" in page
    row = f"| bald | 1 | 1000 | 20 | synthetic (C = 10) | failed | {failed.key(0)} | ValueError: score \\| NaN |"
    assert row in page
    assert f"- {broken.key(0)}.jsonl: line 1 is not JSON" in page
    assert "| uniform | not readable |" in page


def test_prediction_is_shown_next_to_selection_if_it_was_measured(costs: ExampleCosts) -> None:
    assert "share of prediction, from" not in publish(costs)
    condition = costs.condition("uniform")
    write(costs.path(condition), lines(condition, [1e-3], predict_seconds=[0.1, 0.2, 0.3]))
    page = publish(costs)
    assert "Prediction of this pool takes 0.200 [0.150, 0.250] s." in page
    assert "**Selection as a share of prediction, from medians**" in page
    assert "| uniform | 0.500 % |" in page


def test_a_ratio_without_cells_is_reported(costs: ExampleCosts) -> None:
    apart = "  posterior_samples: [20, 100]\nexclude: [{acquisition: batchbald, posterior_samples: 100}]\n"
    page = publish(replace(costs, text=costs.text + apart + RATIO))
    assert page.count("batchbald / bald: this setting has no such cells.") == 1


def test_several_devices_are_shown_separately(costs: ExampleCosts) -> None:
    write(costs.path(one := costs.condition("bald")), lines(one, [5.0], device="Another CPU"))
    page = publish(costs)
    assert "Cells were measured on 2 devices, which are shown separately" in page
    assert "\n## synthetic (C = 10), K = 20, Another CPU (cpu)\n" in page
    assert "(figures/costs-against-B.2.svg)" in page


def test_unmeasured_settings_are_on_the_page_of_two_devices(costs: ExampleCosts) -> None:
    write(costs.path(one := costs.condition("bald")), lines(one, [5.0], device="Another CPU"))
    page = publish(replace(costs, text=costs.text + "  posterior_samples: [20, 100]\n"))
    headings = [line for line in page.splitlines() if line.startswith("## synthetic")]
    of_k = "## synthetic (C = 10), K ="
    assert headings == [f"{of_k} 20, Another CPU (cpu)", f"{of_k} 20, Example CPU, 2 cores (cpu)", f"{of_k} 100"]


def test_figures_that_the_page_no_longer_shows_are_removed(costs: ExampleCosts) -> None:
    write(costs.path(one := costs.condition("bald")), lines(one, [5.0], device="Another CPU"))
    publish(costs)
    figures = costs.leaderboard / "figures"
    assert (figures / "costs-against-B.2.svg").exists()
    write(costs.path(one), lines(one, [5.0]))
    publish(costs)
    assert {path.name for path in figures.glob("*.svg")} == {"costs-against-B.svg", "costs-against-N.svg"}


def test_the_index_lists_pages_of_both_kinds(costs: ExampleCosts) -> None:
    trials = ExampleSuite(costs.folder)
    write_pages(trials.collect(), costs.leaderboard)
    publish(costs)
    index = (costs.leaderboard / "README.md").read_text(encoding="utf-8")
    assert "| [What choosing costs](costs.md) | Seconds of a choice. | 34 of 36 cells |\n" in index
    assert "| [An example](example.md) | Says what it is for. | 0 of 3 trials |\n" in index


def test_no_suite_may_have_the_name_of_the_index(costs: ExampleCosts) -> None:
    with pytest.raises(SoftalError, match="index"):
        publish(replace(costs, text=costs.text.replace("name: costs", "name: README")))
