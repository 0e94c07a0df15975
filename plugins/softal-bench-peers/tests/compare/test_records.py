"""The record of side-by-side timings: what it keeps, and how rows come into it."""

import json
import statistics
from pathlib import Path
from typing import Any

import pytest
from softal_bench_peers.compare.records import merge_comparison, read_comparisons

from softal_bench.errors import SoftalError

from .example import comparison

KEYS = {"work", "setting", "peer", "peer_seconds", "our_seconds", "ratio", "same_answer"}


def test_a_row_in_the_file_has_the_expected_keys_and_ratio(tmp_path: Path) -> None:
    path = tmp_path / "records" / "compare.json"
    merge_comparison(path, comparison(), [])
    (row,) = json.loads(path.read_text())
    assert row.keys() >= KEYS
    assert row["ratio"] == statistics.median(row["peer_seconds"]) / statistics.median(row["our_seconds"]) == 10


def test_written_rows_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "compare.json"
    rows = [comparison(), comparison(peer=None, peer_seconds=[], same_answer=None, details={"MB": 3.5, "N": 7})]
    for row in rows:
        merge_comparison(path, row, [])
    assert read_comparisons(path) == rows


def test_a_new_measurement_replaces_the_previous_one(tmp_path: Path) -> None:
    path = tmp_path / "compare.json"
    for our_seconds in ([1.0], [2.0]):
        merge_comparison(path, comparison(our_seconds=our_seconds), [])
    assert [row.our_seconds for row in read_comparisons(path)] == [[2.0]]


def test_rows_of_another_setting_peer_or_device_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "compare.json"
    others: list[dict[str, Any]] = [{"setting": "K = 100"}, {"peer": "a third"}, {"environment": {"device": "cuda:0"}}]
    for changes in [{}, *others]:
        merge_comparison(path, comparison(**changes), [])
    assert len(read_comparisons(path)) == 4


def test_rows_are_sorted_in_the_order_of_works(tmp_path: Path) -> None:
    path = tmp_path / "compare.json"
    for work in ("other", "round", "scoring", "prediction"):
        merge_comparison(path, comparison(work=work), ["prediction", "scoring", "round"])
    assert [row.work for row in read_comparisons(path)] == ["prediction", "scoring", "round", "other"]


def test_an_invalid_record_is_reported_with_its_path_and_not_modified(tmp_path: Path) -> None:
    path = tmp_path / "compare.json"
    path.write_text('[{"work": "prediction"}]')
    with pytest.raises(SoftalError, match=r"compare\.json: 0\.setting: Field required"):
        merge_comparison(path, comparison(), [])
    assert path.read_text() == '[{"work": "prediction"}]'
