"""A cost suite from the command line: planned, run and shown again; bad requests are refused before anything runs."""

import json
import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import CommandLine

TINY: dict[str, Any] = {
    "kind": "cost",
    "name": "tiny_cost",
    "source": {"synthetic": {"num_classes": 3}},
    "pool_size": 30,
    "posterior_samples": 3,
    "measurement": {"min_samples": 2, "max_samples": 3, "max_seconds": 0.05},
    "matrix": {"batch_size": [1, 2], "acquisition": ["bald", "softmax", {"batchbald": {"joint_samples": 50}}]},
    "report": {"ratio": {"of": ["batchbald"], "to": "softmax"}},
}


def write(cli: CommandLine, **changes: Any) -> Path:
    path = cli.folder / "tiny_cost.yaml"
    path.write_text(yaml.safe_dump({**TINY, **changes}))
    return path


def test_planning_a_cost_suite_writes_nothing(cli: CommandLine) -> None:
    suite = write(cli)
    before = cli.files()
    outcome = cli("run", suite, "--dry-run")
    assert outcome.exit_code == 0
    assert "6 cells, log-probs from synthetic (C = 3); nothing was run" in outcome.output
    assert cli("check", suite).output.endswith("valid; 6 cells, log-probs from synthetic (C = 3)\n")
    assert cli.files() == before


def test_a_cost_suite_is_run_once_and_its_page_is_rebuilt_from_journals(cli: CommandLine) -> None:
    suite = write(cli)
    outcome = cli("run", suite)
    assert outcome.exit_code == 0
    assert "cells: 6 done" in outcome.output
    assert len([name for name in cli.files() if name.endswith(".jsonl")]) == 6
    page = cli.files()["leaderboard/tiny_cost.md"].decode()
    assert "batchbald(M=50) / softmax(bald, T=0.125)" in page
    before = cli.files()
    assert cli("run", suite).lines[-2] == "cells: 6 done"
    shutil.rmtree(cli.folder / "leaderboard")
    assert cli("leaderboard", suite, "--quiet").exit_code == 0
    assert cli.files() == before


def test_the_page_shows_the_median_of_the_journal(cli: CommandLine) -> None:
    suite = write(cli, matrix={"batch_size": [2], "acquisition": ["bald"]}, report={})
    cli("run", suite)
    (path,) = (cli.folder / "runs" / "tiny_cost").glob("*.jsonl")
    lines = path.read_text().splitlines()
    changed = [
        {**line, "seconds": [1.0, 2.0, 4.0]} if line["kind"] == "cost" else line for line in map(json.loads, lines)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in changed))
    cli("leaderboard", suite)
    assert "| bald | 2.00 [1.50, 3.00] (3) |" in cli.files()["leaderboard/tiny_cost.md"].decode()


@pytest.mark.parametrize(
    ("arguments", "changes", "message"),
    [
        (["--trials", "2"], {}, "--trials 2: .* is a cost suite"),
        ([], {"pool_size": 1}, "pool_size: N = 1 is below batch_size B = 2"),
        ([], {"posterior_samples": 1}, "posterior_samples: K is 1"),
        ([], {"kind": "costs"}, "kind: 'costs' is not a kind of suite; use trials or cost"),
        (["--only", "acquisition=bold"], {}, "matches no condition"),
        ([], {"budget": 7}, "unknown key 'budget'"),
        ([], {"report": {"ratio": {"of": ["batchbold"], "to": "softmax"}}}, "batchbold.*did you mean 'batchbald'"),
        ([], {"report": {"ratio": {"off": ["bald"], "to": "bald"}}}, "ratio.off: unknown key; did you mean 'of'"),
        ([], {"limits": {"cell_seconds": 1e10}}, "limits.cell_seconds: .*less than or equal to 86400"),
    ],
    ids=str,
)
def test_a_bad_request_is_refused_and_writes_nothing(
    cli: CommandLine, arguments: list[str], changes: dict[str, Any], message: str
) -> None:
    suite = write(cli, **changes)
    before = cli.files()
    outcome = cli("run", suite, *arguments)
    assert outcome.exit_code == 2
    assert re.search(message, outcome.output), outcome.output
    assert len(outcome.lines) <= 2
    assert cli.files() == before


def test_an_infeasible_pool_is_named_in_advance_and_fails_only_its_cells(cli: CommandLine) -> None:
    matrix = {"batch_size": [1, 2], "pool_size": [10**15, 30], "acquisition": ["bald", "softmax"]}
    suite = write(cli, matrix=matrix, report={})
    suite.write_text(suite.read_text().replace("pool_size: 30\n", ""))
    sentence = "will fail: 4 cells with N=1000000000000000, K=3, synthetic (C = 3): log-probs of shape"
    before = cli.files()
    planned, checked = cli("run", suite, "--dry-run"), cli("check", suite)
    assert (planned.exit_code, checked.exit_code) == (0, 1)
    assert sum(sentence in line for line in planned.lines) == sum(sentence in line for line in checked.lines) == 1
    assert cli.files() == before
    outcome = cli("run", suite)
    assert outcome.exit_code == 1
    assert "cells: 4 done, 4 failed" in outcome.output
    assert "lower pool_size or posterior_samples" in outcome.output
    assert "Traceback" not in outcome.output


@pytest.mark.slow
def test_an_interrupted_cost_suite_returns_130_and_resumes(cli: CommandLine) -> None:
    measurement = {"min_samples": 2, "max_samples": 100, "max_seconds": 1.0}
    suite = write(cli, measurement=measurement)
    process = cli.start("run", suite)
    while not any(b'"kind": "cost"' in data for data in cli.files().values()):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "To continue, run the same command" in output
    outcome = cli("run", suite)
    assert outcome.exit_code == 0
    assert "cells: 6 done" in outcome.output
