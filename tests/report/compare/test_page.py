"""The page of side-by-side timings says what its record says."""

from pathlib import Path

from softal_bench.report.compare.page import comparison_page, write_comparison
from softal_bench.report.compare.records import merge_comparison

from .example import comparison

MACHINE = {
    "device": "cpu",
    "device_name": "Some CPU, 2 cores",
    "threads": 2,
    "packages": "torch 2.5",
    "date": "2025-01-31",
}


def test_a_row_shows_medians_with_quartiles_and_the_ratio_with_those_of_the_pairs() -> None:
    page = comparison_page([comparison(environment=MACHINE)])
    # Pairs: 10/2, 30/3, 20/1, so ratios 5, 10, 20 with quartiles 7.5 and 15; medians 20 and 2.
    assert "| K = 20 | another | 20.0 [15.0, 25.0] | 2.00 [1.50, 2.50] | 10.0 [7.50, 15.0] | yes | 3 |" in page


def test_the_page_says_where_it_was_measured_and_that_cuda_was_not() -> None:
    page = comparison_page([comparison(environment=MACHINE)])
    for fact in ("Device: Some CPU, 2 cores", "CPU threads: 2", "torch 2.5", "2025-01-31", "CUDA was not measured"):
        assert fact in page


def test_rows_of_a_cuda_device_stand_beside_those_of_the_cpu() -> None:
    cuda = {"device": "cuda:0", "device_name": "Some GPU"}
    page = comparison_page([comparison(environment=MACHINE), comparison(environment=cuda)])
    assert "| K = 20 | cpu | another |" in page
    assert "| K = 20 | cuda | another |" in page
    assert "Device: Some CPU, 2 cores; Some GPU" in page
    assert "not measured" not in page


def test_an_answer_that_differs_cannot_be_overlooked() -> None:
    page = comparison_page([comparison(), comparison(setting="K = 100", same_answer=False)])
    assert "**1 of 2 answers that were compared are the same.**" in page
    assert "| NO |" in page


def test_a_work_without_a_peer_has_no_columns_for_one() -> None:
    page = comparison_page([comparison(peer=None, peer_seconds=[], same_answer=None)])
    assert "| Setting | Ours, s | Same answer | n |" in page


def test_how_it_was_checked_stands_once_under_a_works_table() -> None:
    page = comparison_page([comparison(method="Checked so."), comparison(setting="K = 100", method="Checked so.")])
    assert page.count("Checked so.") == 1


def test_further_figures_are_a_row_each_where_they_outnumber_the_settings() -> None:
    few = comparison_page([comparison(details={"GFLOP/s": 100.0}), comparison(setting="K = 100")])
    assert "| Setting | GFLOP/s |" in few
    many = comparison_page([comparison(details={"GFLOP/s": 100.0, "Largest difference": 2e-7})])
    assert "| Figure | K = 20 |" in many
    assert "| Largest difference | 2e-07 |" in many
    assert "| N | 20 000 |" in comparison_page([comparison(details={"N": 20_000, "MB": 1.0})])


def test_text_in_the_record_cannot_break_out_of_the_page() -> None:
    page = comparison_page([comparison(setting="a | b <img>", method="# no heading")])
    assert r"a \| b &lt;img&gt;" in page
    assert "\n# no heading" not in page


def test_the_page_is_on_the_index_and_the_same_record_gives_the_same_bytes(tmp_path: Path) -> None:
    merge_comparison(tmp_path / "records" / "compare.json", comparison(environment=MACHINE), [])
    first = write_comparison(tmp_path).read_bytes()
    assert write_comparison(tmp_path).read_bytes() == first
    index = (tmp_path / "README.md").read_text()
    assert "[Speed beside other implementations](compare.md)" in index
    assert "1 of 1 answers the same" in index


def test_without_a_record_the_page_is_empty_but_whole(tmp_path: Path) -> None:
    assert "0 of 0 answers" in write_comparison(tmp_path).read_text()
