"""What a crash or an interrupt at an odd moment leaves behind, and how the next run continues from it."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from suite.example import acquiring

from softal_bench.records.trials import collect
from softal_bench.report.pages.trials import write_pages
from softal_bench.run import trials
from softal_bench.run.cells import cell_jobs, run_cells
from softal_bench.run.trials import trial_jobs
from softal_bench.suite import Suite, load_cost_suite, load_suite

from .example import CPU, Recorder, journals, run, settled

Lines = list[dict[str, Any]]


def test_an_interrupt_while_the_data_are_loaded_leaves_an_empty_journal_that_is_reused(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trials, "load_splits", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(suite, tmp_path / "runs")
    assert all(job.path.stat().st_size == 0 for job in trial_jobs(suite, tmp_path / "runs") if job.path.exists())
    assert run(suite, tmp_path / "runs") == {"done": 2}


def test_a_failure_before_the_first_round_writes_a_header(
    load: Callable[..., Suite], fakes: None, tmp_path: Path
) -> None:
    suite = load(dataset="lost_in_trial_one", trials=2)
    first, second = run(suite, tmp_path / "runs"), run(suite, tmp_path / "runs")
    assert first == second == {"done": 2, "failed": 2}
    failed = [lines for lines in journals(tmp_path / "runs").values() if lines[-1]["status"] == "failed"]
    assert [[line["kind"] for line in lines] for lines in failed] == [["header", "end"]] * 2


def write_arrays(path: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    images, labels = generator.random((200, 8, 8), dtype=np.float32), np.arange(200) % 4
    np.savez(path, train_images=images, train_labels=labels, test_images=images[:40], test_labels=labels[:40])


def test_a_trial_never_resumes_with_other_data(load: Callable[..., Suite], tmp_path: Path) -> None:
    data = tmp_path / "mine.npz"
    write_arrays(data, seed=0)
    suite = load(dataset={"arrays": {"path": str(data)}})
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path / "runs", Recorder(stop_after=1))
    write_arrays(data, seed=1)
    recorder = Recorder()
    assert run(suite, tmp_path / "runs", recorder) == {"unreadable": 1, "done": 1}
    assert any(error and "its provenance is" in error for error in recorder.errors.values())


@pytest.mark.parametrize("status", ["timeout", "failed", "done"])
def test_a_cell_killed_before_its_last_line_keeps_its_status(tmp_path: Path, status: str) -> None:
    path = tmp_path / "tiny_cost.yaml"
    matrix = {"acquisition": ["uniform"], "batch_size": [1, 2]}
    path.write_text(
        yaml.safe_dump({"kind": "cost", "name": "tiny_cost", "pool_size": 20, "posterior_samples": 2, "matrix": matrix})
    )
    suite = load_cost_suite(path)
    run_cells(suite, tmp_path / "runs", tmp_path, CPU, Recorder())
    job, larger = cell_jobs(suite, tmp_path / "runs")
    lines: Lines = [json.loads(line) for line in job.path.read_text().splitlines()]
    measured = [{**line, "status": status} if line["kind"] == "cost" else line for line in lines[:-1]]
    job.path.write_text("".join(json.dumps(line) + "\n" for line in measured))
    larger.path.unlink()
    expected = {
        "timeout": {"timeout": 1, "not_tried": 1},
        "failed": {"failed": 1, "done": 1},
        "done": {"done": 2},
    }
    assert run_cells(suite, tmp_path / "runs", tmp_path, CPU, Recorder()) == expected[status]


def test_preflight_rejects_a_model_that_does_not_accept_the_data(tmp_path: Path) -> None:
    from softal_bench.errors import SuiteError
    from softal_bench.run.trials import preflight

    path = Path(__file__).parents[2] / "suites" / "quickstart.yaml"
    suite = load_suite(path, ["model=lenet5"])
    with pytest.raises(SuiteError, match=r"quickstart\.yaml: lenet5 takes inputs of shape \(1, 28, 28\)"):
        preflight(suite, tmp_path, fetch=True)


def test_failed_training_fails_its_cells_but_not_the_run(tmp_path: Path, fakes: None) -> None:
    path = tmp_path / "tiny_cost.yaml"
    source = {"trained": {"dataset": "digits", "model": "model_raises", "labels": 5, "validation_size": 5}}
    matrix = {"acquisition": ["uniform"], "batch_size": [1], "source": [source, "synthetic"]}
    path.write_text(
        yaml.safe_dump({"kind": "cost", "name": "tiny_cost", "pool_size": 20, "posterior_samples": 2, "matrix": matrix})
    )
    recorder = Recorder()
    counts = run_cells(load_cost_suite(path), tmp_path / "runs", tmp_path, CPU, recorder)
    assert counts == {"failed": 1, "done": 1}
    assert any(error and error.startswith("model 'model_raises' raised") for error in recorder.errors.values())


def test_a_journal_of_another_suite_is_named_and_affects_only_its_trial(
    load: Callable[..., Suite], tmp_path: Path
) -> None:
    other = load(name="other", budget=20)
    run(other, tmp_path / "runs")
    suite = load()
    job = trial_jobs(suite, tmp_path / "runs")[0]
    job.path.parent.mkdir()
    text = trial_jobs(other, tmp_path / "runs")[0].path.read_text()
    job.path.write_text(text)
    recorder = Recorder()
    assert run(suite, tmp_path / "runs", recorder) == {"unreadable": 1, "done": 1}
    assert "of suite 'other'; move it away" in str(recorder.errors[job.name])
    assert job.path.read_text() == text


def test_a_clock_that_is_set_back_does_no_harm(
    load: Callable[..., Suite], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = itertools.count(28, -1)
    for module in ("journal.lines", "run.runner"):
        monkeypatch.setattr(f"softal_bench.{module}.now", lambda: f"2026-01-{next(days):02}T00:00:00+00:00")
    suite = load()
    for stop_after in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            run(suite, tmp_path / "runs", Recorder(stop_after=stop_after))
    assert run(suite, tmp_path / "runs") == {"done": 2}
    run(suite, tmp_path / "undisturbed")
    assert settled(tmp_path / "runs") == settled(tmp_path / "undisturbed")
    assert all(line["seconds"]["train"] > 0 for lines in journals(tmp_path / "runs").values() for line in lines[2:3])
    page = write_pages(collect(suite, tmp_path / "runs", tmp_path / "pages"), tmp_path / "pages")
    assert "2 of 2 trials done" in page.read_text()


def test_a_trial_with_unknown_seconds_resumes(load: Callable[..., Suite], tmp_path: Path) -> None:
    suite = load(matrix=acquiring("uniform"))
    (job,) = trial_jobs(suite, tmp_path / "runs")
    run(suite, tmp_path / "runs")
    header, attempt, first, *_ = job.path.read_text().splitlines()
    unknown = json.loads(first)
    unknown["seconds"] = dict.fromkeys(unknown["seconds"])
    job.path.write_text("".join(f"{line}\n" for line in (header, attempt, json.dumps(unknown))))
    assert run(suite, tmp_path / "runs") == {"done": 1}
