"""Failed trials can be tried again: nothing computed is lost, and the result is that of an undisturbed run."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from softal_plugins.acquisitions.uniform import Uniform
from softal_plugins.datasets.digits import Digits
from suite.example import acquiring

from softal_bench.journal import file as journal
from softal_bench.journal.lines import Status, as_json
from softal_bench.run.cells import cell_jobs, run_cells
from softal_bench.run.recompute import ended_as, reopen
from softal_bench.run.trials import trial_jobs
from softal_bench.suite import Suite, load_cost_suite

from .conftest import Loader
from .example import CPU, Recorder, journals, run, without_clocks
from .fake_plugins import DEATH


@pytest.fixture
def uniform(load: Loader) -> Suite:
    """Return a suite with one trial of uniform sampling, of four rounds."""
    return load(matrix=acquiring("uniform"))


def retry(suite: Suite, runs: Path, *names: str) -> dict[Status, int]:
    """Reopen the trials that ended with these statuses, and run only them."""
    statuses = [Status(name) for name in names]
    keys = frozenset(job.key for job in reopen(ended_as(trial_jobs(suite, runs), statuses), statuses))
    return run(replace(suite, keys=keys), runs)


def result(path: Path) -> list[dict[str, Any]]:
    """Return the final content of the journal without clocks."""
    record = journal.read(path)
    assert record.end is not None
    return without_clocks([as_json(record.header), *map(as_json, record.rounds), as_json(record.end)])


def undisturbed(suite: Suite, tmp_path: Path) -> list[dict[str, Any]]:
    run(suite, tmp_path / "undisturbed")
    return result(trial_jobs(suite, tmp_path / "undisturbed")[0].path)


@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_a_retried_trial_continues_after_its_rounds_with_the_same_result(
    uniform: Suite, tmp_path: Path, rounds: int
) -> None:
    (job,) = trial_jobs(uniform, tmp_path / "runs")
    with pytest.MonkeyPatch.context() as patch:
        fail_selection(patch, rounds, RuntimeError("no scores"))
        assert run(uniform, tmp_path / "runs") == {"failed": 1}
    before = job.path.read_bytes()
    assert retry(uniform, tmp_path / "runs", "failed") == {"done": 1}
    assert job.path.read_bytes().startswith(before)  # the failure and its traceback are kept
    assert len(journal.read(job.path).rounds) == 4
    assert result(job.path) == undisturbed(uniform, tmp_path)


def fail_selection(patch: pytest.MonkeyPatch, number: int, error: BaseException) -> None:
    """Let uniform sampling raise an error after it has chosen this many batches."""
    select, calls = Uniform.select, list[int]()

    def failing_select(self: Uniform, *arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > number:
            raise error
        return select(self, *arguments)

    patch.setattr(Uniform, "select", failing_select)


def test_a_retry_after_failed_data_writes_a_header_with_the_start_set(uniform: Suite, tmp_path: Path) -> None:
    def lost(*_: object) -> None:
        raise OSError("the disk with the data is not mounted")

    (job,) = trial_jobs(uniform, tmp_path / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Digits, "load", lost)
        assert run(uniform, tmp_path / "runs") == {"failed": 1}
        assert retry(uniform, tmp_path / "runs", "failed") == {"failed": 1}  # the disk is not mounted yet
    assert journal.read(job.path).header.start == []
    assert retry(uniform, tmp_path / "runs", "failed") == {"done": 1}
    assert result(job.path) == undisturbed(uniform, tmp_path)
    kinds = [line["kind"] for line in journals(tmp_path / "runs")[job.key]]
    assert kinds == ["header", "end", "retry", "header", "end", "retry", "header", "attempt", *["round"] * 4, "end"]


def test_only_the_given_statuses_are_retried(load: Loader, tmp_path: Path, fakes: None) -> None:
    suite = load(matrix=acquiring("always_raises", "hungry", "uniform"))
    assert run(suite, tmp_path / "runs") == {"failed": 1, "out_of_memory": 1, "done": 1}
    before = journals(tmp_path / "runs")
    assert retry(suite, tmp_path / "runs", "out_of_memory") == {"out_of_memory": 1}
    changed = {key for key, lines in journals(tmp_path / "runs").items() if lines != before[key]}
    assert changed == {job.key for job in trial_jobs(suite, tmp_path / "runs") if "hungry" in job.name}
    assert retry(suite, tmp_path / "runs", "timeout") == {}
    assert retry(suite, tmp_path / "runs", "failed", "out_of_memory") == {"failed": 1, "out_of_memory": 1}


def test_a_reopened_trial_is_unfinished_until_the_next_run_completes_it(uniform: Suite, tmp_path: Path) -> None:
    (job,) = trial_jobs(uniform, tmp_path / "runs")
    with pytest.MonkeyPatch.context() as patch:
        fail_selection(patch, 2, RuntimeError("no scores"))
        run(uniform, tmp_path / "runs")
    assert reopen([job], [Status.FAILED]) == [job]
    assert reopen([job], [Status.FAILED]) == []
    assert journal.read(job.path).status == "unfinished"
    assert run(uniform, tmp_path / "runs") == {"done": 1}
    assert result(job.path) == undisturbed(uniform, tmp_path)


def test_a_journal_locked_by_another_runner_is_skipped(uniform: Suite, tmp_path: Path) -> None:
    (job,) = trial_jobs(uniform, tmp_path / "runs")
    with pytest.MonkeyPatch.context() as patch:
        fail_selection(patch, 0, RuntimeError("no scores"))
        run(uniform, tmp_path / "runs")
    before = job.path.read_bytes()
    with journal.locked(job.path):
        assert reopen([job], [Status.FAILED]) == []
    assert job.path.read_bytes() == before


def test_a_trial_that_died_twice_is_attempted_twice_more_after_a_retry(
    load: Loader, deadly: None, tmp_path: Path
) -> None:
    suite = load(matrix=acquiring("vanishes"), model="flat")
    for _ in range(2):
        with pytest.raises(BaseException, match=DEATH):
            run(suite, tmp_path / "runs")
    assert run(suite, tmp_path / "runs") == {"failed": 1}
    with pytest.raises(BaseException, match=DEATH):
        retry(suite, tmp_path / "runs", "failed")
    with pytest.raises(BaseException, match=DEATH):
        run(suite, tmp_path / "runs")
    assert run(suite, tmp_path / "runs") == {"failed": 1}


def test_a_failed_cell_is_remeasured(tmp_path: Path) -> None:
    path = tmp_path / "tiny_cost.yaml"
    matrix = {"acquisition": ["uniform"], "batch_size": [1]}
    path.write_text(
        yaml.safe_dump({"kind": "cost", "name": "tiny_cost", "pool_size": 20, "posterior_samples": 2, "matrix": matrix})
    )
    suite, runs = load_cost_suite(path), tmp_path / "runs"
    run_cells(suite, runs, tmp_path, CPU, Recorder())
    (job,) = cell_jobs(suite, runs)
    lines = [json.loads(line) for line in job.path.read_text().splitlines()]
    spoilt = [{**line, "status": "failed"} if line["kind"] in ("cost", "end") else line for line in lines]
    job.path.write_text("".join(json.dumps(line) + "\n" for line in spoilt))
    assert run_cells(suite, runs, tmp_path, CPU, Recorder()) == {"failed": 1}
    keys = frozenset(again.key for again in reopen(ended_as([job], [Status.FAILED]), [Status.FAILED]))
    assert run_cells(replace(suite, keys=keys), runs, tmp_path, CPU, Recorder()) == {"done": 1}
    record = journal.read(job.path)
    assert (record.status, [line.status for line in record.costs]) == ("done", ["done"])
