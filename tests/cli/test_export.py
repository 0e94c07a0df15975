"""Export writes the numbers of the journals, with all their digits, as a table."""

import csv
import io
import json
from importlib.util import find_spec
from typing import Any

import pandas as pd
import pytest
from run.example import journals, of_kind
from suite.example import acquiring, write_suite

from .conftest import CommandLine


def expected(cli: CommandLine) -> list[dict[str, Any]]:
    """Return the rows that the journals give, read without the suite's code."""
    rows = []
    for key, lines in journals(cli.folder / "runs").items():
        condition = lines[0]["condition"]
        place = {"acquisition": condition["acquisition"]["label"], "batch_size": condition["batch_size"]}
        for line in of_kind(lines, "round"):
            seconds = {f"seconds_{phase}": value for phase, value in line["seconds"].items()}
            names = ("round", "labels", "accuracy", "nll", "peak_bytes")
            measured = {name: line[name] for name in names}
            rows.append({**place, "trial": lines[0]["trial"], "key": key, "status": "done", **measured, **seconds})
    return sorted(rows, key=lambda row: (row["key"], row["round"]))


@pytest.fixture
def run(cli: CommandLine) -> CommandLine:
    """Run the tiny suite with two methods, two batch sizes and two trials of each."""
    suite = write_suite(cli.folder, matrix=acquiring("uniform", "power", batch_sizes=(5, 10)), trials=2)
    assert cli("run", suite, "--quiet").exit_code == 0
    return cli


def test_json_has_a_row_for_each_round_with_all_digits(run: CommandLine) -> None:
    rows = json.loads(run("export", "tiny.yaml", "--format", "json").output)
    assert sorted(rows, key=lambda row: (row["key"], row["round"])) == expected(run)


def test_csv_matches_json(run: CommandLine) -> None:
    rows = list(csv.DictReader(io.StringIO(run("export", "tiny.yaml", "--format", "csv").output)))
    found = sorted(rows, key=lambda row: (row["key"], int(row["round"])))
    assert found == [{name: str(value) for name, value in row.items()} for row in expected(run)]


def test_output_writes_a_file(run: CommandLine) -> None:
    outcome = run("export", "tiny.yaml", "--format", "csv", "--output", "a/rounds.csv")
    assert outcome.output == "28 rows: a/rounds.csv\n"
    table = pd.read_csv(run.folder / "a" / "rounds.csv")
    assert len(table) == 2 * 2 * (4 + 3)
    assert [name for name in run.files() if "tmp" in name] == []


def test_parquet_matches_json(run: CommandLine) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed; pip install 'softal-bench[parquet]'")
    assert run("export", "tiny.yaml", "--format", "parquet", "--output", "rounds.parquet").exit_code == 0
    table = pd.read_parquet(run.folder / "rounds.parquet").sort_values(["key", "round"])
    assert table.to_dict("records") == expected(run)


def test_parquet_without_pyarrow_says_how_to_get_it(run: CommandLine) -> None:
    if find_spec("pyarrow"):
        pytest.skip("pyarrow is installed")
    outcome = run("export", "tiny.yaml", "--format", "parquet", "--output", "rounds.parquet")
    assert outcome.exit_code == 1
    assert "pip install 'softal-bench[parquet]'" in outcome.output
    assert not (run.folder / "rounds.parquet").exists()


def test_parquet_needs_a_file(run: CommandLine) -> None:
    outcome = run("export", "tiny.yaml", "--format", "parquet")
    assert outcome.exit_code == 2
    assert "--output FILE" in outcome.output


@pytest.mark.usefixtures("fakes")
def test_a_trial_without_rounds_is_not_missing(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, matrix=acquiring("uniform", "bald"), dataset="lost_in_trial_one", trials=2)
    cli("run", suite, "--quiet", "--only", "acquisition=uniform")
    rows = json.loads(cli("export", suite, "--format", "json").output)
    without = {(row["acquisition"], row["trial"]): row for row in rows if row["round"] is None}
    assert {place: row["status"] for place, row in without.items()} == {
        ("uniform", 1): "failed",
        ("bald", 0): "not_run",
        ("bald", 1): "not_run",
    }
    assert all(row["accuracy"] is None for row in without.values())
    assert len(rows) == 4 + 3


def test_the_varied_keys_of_a_suite_are_columns(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, matrix={**acquiring("uniform"), "initial.size": [10, 20]})
    rows = json.loads(cli("export", suite, "--format", "json").output)
    assert [row["initial.size"] for row in rows] == [10, 20]


def test_a_cost_suite_has_a_row_for_each_sample(cli: CommandLine) -> None:
    text = "{kind: cost, name: tiny, pool_size: 20, posterior_samples: 2, acquisition: uniform, batch_size: 2, "
    suite = write_suite(cli.folder, text + "measurement: {max_seconds: 0.05}}")
    assert cli("run", suite, "--quiet").exit_code == 0
    rows = json.loads(cli("export", suite, "--format", "json").output)
    ((_, _, cost, _),) = journals(cli.folder / "runs").values()
    assert [row["seconds"] for row in rows] == cost["seconds"]
    assert {(row["acquisition"], row["pool_size"], row["status"]) for row in rows} == {("uniform", 20, "done")}


def test_the_columns_exist_before_anything_has_run(cli: CommandLine) -> None:
    header = cli("export", write_suite(cli.folder), "--format", "csv").lines[0].split(",")
    assert {"acquisition", "batch_size", "trial", "status", "labels", "accuracy", "nll", "peak_bytes"} <= set(header)
