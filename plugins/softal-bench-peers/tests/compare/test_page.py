"""The page of side-by-side timings says what its record says."""

from pathlib import Path
from typing import Any

import pytest
from softal_bench_peers.compare.page import comparison_page, write_comparison
from softal_bench_peers.compare.records import Comparison, merge_comparison

from .example import comparison

MACHINE = {
    "device": "cpu",
    "device_name": "Some CPU, 2 cores",
    "threads": 2,
    "packages": "torch 2.5",
    "date": "2025-01-31",
}


def test_a_row_shows_medians_and_ratios_with_quartiles() -> None:
    page = comparison_page([comparison(environment=MACHINE)])
    # Pairs: 10/2, 30/3, 20/1, so ratios 5, 10, 20 with quartiles 7.5 and 15; medians 20 and 2.
    assert "| K = 20 | another | 20.0 [15.0, 25.0] | 2.00 [1.50, 2.50] | 10.0 [7.50, 15.0] | yes | 3 |" in page


def test_the_page_names_the_machine_and_reports_a_lack_of_cuda() -> None:
    page = comparison_page([comparison(environment=MACHINE)])
    for fact in ("Device: Some CPU, 2 cores", "CPU threads: 2", "torch 2.5", "2025-01-31", "CUDA was not measured"):
        assert fact in page


def measured(setting: str, **environment: Any) -> Comparison:
    return comparison(setting=setting, environment=MACHINE | {"run": "2025-01-31T10:00:00+00:00"} | environment)


def groups(page: str) -> list[str]:
    """The parts of the page below each heading of a group."""
    return [f"Measured {part}" for part in page.partition("## Limits")[0].split("\n## Measured ")[1:]]


def test_rows_of_one_run_torch_and_processor_share_a_table() -> None:
    page = comparison_page([measured("K = 20"), measured("K = 100")])
    (group,) = groups(page)
    assert group.count("### Prediction") == 1
    assert "| K = 20 |" in group
    assert "| K = 100 |" in group
    assert "Start of the run (UTC): 2025-01-31T10:00:00+00:00" in group
    assert "not measured together" not in page
    assert "does not say in which run" not in page


@pytest.mark.parametrize(
    "other",
    [
        {"run": "2025-01-31T11:00:00+00:00"},
        {"torch": "2.6"},
        {"packages": "numpy 1, torch 2.6"},
        {"device_name": "Other CPU, 2 cores"},
        {"device": "cuda:0", "device_name": "Some GPU"},
        {"processor": "Other CPU, 2 cores"},
    ],
    ids=str,
)
def test_rows_of_another_run_torch_or_processor_are_in_another_table(other: dict[str, str]) -> None:
    page = comparison_page([measured("K = 20"), measured("K = 100", **other)])
    assert "form 2 groups that were not measured together" in page
    assert len(parts := groups(page)) == 2
    assert all(("| K = 20 |" in part) != ("| K = 100 |" in part) for part in parts)


def test_the_newest_run_comes_first_for_any_order_of_the_record() -> None:
    rows = [measured("old"), measured("new", run="2025-02-01T09:00:00+00:00"), comparison(environment=MACHINE)]
    assert ["| new |" in part for part in groups(comparison_page(rows))] == [True, False, False]


def test_rows_without_a_run_are_reported_as_such() -> None:
    page = comparison_page([comparison(environment=MACHINE)])
    assert "Measured 2025-01-31, torch 2.5" in page
    assert "does not say in which run" in page


def test_cuda_is_not_reported_as_unmeasured_if_it_was() -> None:
    assert "CUDA was not measured" not in comparison_page([measured("K = 20", device="cuda:0")])


def test_a_different_answer_is_highlighted() -> None:
    page = comparison_page([comparison(), comparison(setting="K = 100", same_answer=False)])
    assert "**1 of 2 answers that were compared are the same.**" in page
    assert "| NO |" in page


def test_a_work_without_a_peer_has_no_peer_columns() -> None:
    page = comparison_page([comparison(peer=None, peer_seconds=[], same_answer=None)])
    assert "| Setting | Ours, s | Same answer | n |" in page


def test_the_method_of_checking_is_written_once_per_table() -> None:
    page = comparison_page([comparison(method="Checked so."), comparison(setting="K = 100", method="Checked so.")])
    assert page.count("Checked so.") == 1


def test_details_are_in_rows_if_they_outnumber_the_settings() -> None:
    few = comparison_page([comparison(details={"GFLOP/s": 100.0}), comparison(setting="K = 100")])
    assert "| Setting | GFLOP/s |" in few
    many = comparison_page([comparison(details={"GFLOP/s": 100.0, "Largest difference": 2e-7})])
    assert "| Figure | K = 20 |" in many
    assert "| Largest difference | 2e-07 |" in many
    assert "| N | 20 000 |" in comparison_page([comparison(details={"N": 20_000, "MB": 1.0})])


def test_text_in_the_record_is_escaped() -> None:
    page = comparison_page([comparison(setting="a | b <img>", method="# no heading")])
    assert r"a \| b &lt;img&gt;" in page
    assert "\n# no heading" not in page


def test_the_index_links_the_page_and_the_page_is_reproducible(tmp_path: Path) -> None:
    merge_comparison(tmp_path / "records" / "compare.json", comparison(environment=MACHINE), [])
    first = write_comparison(tmp_path).read_bytes()
    assert write_comparison(tmp_path).read_bytes() == first
    index = (tmp_path / "README.md").read_text()
    assert "[Speed compared with other implementations](compare.md)" in index
    assert "1 of 1 answers the same" in index


def test_the_page_is_complete_without_a_record(tmp_path: Path) -> None:
    assert "0 of 0 answers" in write_comparison(tmp_path).read_text()
