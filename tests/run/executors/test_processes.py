"""Trials in worker processes write the same journals as in this process, and a process that dies loses nothing."""

import dataclasses
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from suite.example import acquiring

from softal_bench.errors import ExecutorError, StorageError
from softal_bench.journal.lines import Status
from softal_bench.run.executors import process
from softal_bench.run.executors.local import Processes
from softal_bench.run.executors.messages import WorkerSetting
from softal_bench.run.jobs import Job
from softal_bench.run.trials import trial_jobs

from ..conftest import Loader
from ..example import Recorder, journals, of_kind, run, settled
from ..fake_plugins import REASON
from .conftest import TWO

SEGFAULT = "its process was killed by SIGSEGV"
KILLED = "its process was killed by SIGKILL, either by the system because memory ran out or by a user"


def test_the_journals_match_an_inline_run_except_for_timings(load: Loader, tmp_path: Path) -> None:
    suite = load(matrix=acquiring("power", {"batchbald": {"joint_samples": 40}}), trials=3)
    run(suite, tmp_path / "inline")
    recorder = Recorder()
    assert run(suite, tmp_path / "processes", recorder, TWO) == {"done": 6}
    assert settled(tmp_path / "processes") == settled(tmp_path / "inline")
    assert len(recorder.rounds) == 6 * 4
    for lines in journals(tmp_path / "processes").values():
        assert [line["kind"] for line in lines] == ["header", "attempt", *["round"] * 4, "end"]


def test_a_trial_has_its_own_threads_with_any_executor(load: Loader, tmp_path: Path) -> None:
    run(load(threads=3), tmp_path / "runs", None, TWO)
    for lines in journals(tmp_path / "runs").values():
        assert lines[0]["environment"]["threads"] == lines[1]["threads"] == 3


def test_trials_run_in_parallel_and_reuse_processes(load_flat: Loader, tmp_path: Path) -> None:
    class Overlaps(Recorder):
        most, now = 0, 0

        def trial_started(self, job: Job[Any], rounds_done: int) -> None:
            super().trial_started(job, rounds_done)
            self.now += 1
            self.most = max(self.most, self.now)

        def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
            super().trial_ended(job, status, error, ran)
            self.now -= 1

    recorder = Overlaps()
    start = time.monotonic()
    assert run(load_flat("uniform", "bald", trials=20), tmp_path / "runs", recorder, TWO) == {"done": 40}
    assert recorder.most == 2
    assert time.monotonic() - start < 60  # a new process for each would import torch 40 times


def test_an_interrupted_run_is_journalled_and_resumes(load_flat: Loader, tmp_path: Path) -> None:
    suite = load_flat("uniform", "bald", trials=3, budget=60)
    run(suite, tmp_path / "undisturbed")
    with pytest.raises(KeyboardInterrupt):
        run(suite, tmp_path / "runs", Recorder(stop_after=5), TWO)
    unfinished = [lines for lines in journals(tmp_path / "runs").values() if lines and lines[-1]["kind"] != "end"]
    assert unfinished
    assert all(lines[-1]["kind"] == "interrupt" for lines in unfinished)
    assert run(suite, tmp_path / "runs", None, TWO) == {"done": 6}
    assert settled(tmp_path / "runs") == settled(tmp_path / "undisturbed")


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("segfault", SEGFAULT),
        ("exit", "its process ended with exit code 3"),
        ("kill", KILLED),
        ("child", "its process ended with exit code 4"),
    ],
)
def test_a_process_that_dies_once_is_replaced_and_its_trial_resumes(
    load_flat: Loader, notes: Path, tmp_path: Path, how: str, told: str
) -> None:
    suite = load_flat("uniform", {"crashes": {"how": how, "times": 1, "notes": str(notes)}}, trials=2)
    recorder = Recorder()
    assert run(suite, tmp_path / "runs", recorder, TWO) == {"done": 4}
    ((name, what),) = recorder.died
    assert "crashes" in name
    assert what.startswith(told)
    attempts = [len(of_kind(lines, "attempt")) for lines in journals(tmp_path / "runs").values()]
    assert sorted(attempts) == [1, 1, 1, 2]
    notes.write_text("." * 1000)
    run(suite, tmp_path / "undisturbed")
    assert settled(tmp_path / "runs") == settled(tmp_path / "undisturbed")


@pytest.mark.parametrize(("how", "told"), [("segfault", SEGFAULT), ("exit", "exit code 3"), ("kill", KILLED)])
def test_a_trial_whose_process_dies_twice_in_one_round_fails_with_the_cause(
    load_flat: Loader, notes: Path, tmp_path: Path, how: str, told: str
) -> None:
    suite = load_flat({"crashes": {"how": how, "notes": str(notes)}}, "uniform", trials=2)
    assert run(suite, tmp_path / "runs", None, TWO) == {"failed": 2, "done": 2}
    for job in trial_jobs(suite, tmp_path / "runs"):
        lines = journals(tmp_path / "runs")[job.key]
        if "crashes" in job.name:
            assert [line["kind"] for line in lines] == ["header", "attempt", "round", "attempt", "end"]
            assert lines[-1]["error"].startswith("two attempts in a row died in round 1: ")
            assert told in lines[-1]["error"]
            assert job.path.name in lines[-1]["error"]


FAILURES = [
    ("always_raises", "failed", f"acquisition function 'always_raises' raised RuntimeError: {REASON}"),
    ("exits", "failed", "acquisition function 'exits' raised SystemExit: 0"),
    ("too_few", "failed", "acquisition function 'too_few': positions are shape (4,)"),
    ("hungry", "out_of_memory", "MemoryError"),
    ("hungry_for_tensors", "out_of_memory", "memory"),
    ("hungry_on_cuda", "out_of_memory", "CUDA out of memory"),
]


@pytest.mark.parametrize(("name", "status", "reason"), FAILURES, ids=[name for name, _, _ in FAILURES])
def test_a_plugin_error_is_journalled_as_in_an_inline_run(
    load_flat: Loader, tmp_path: Path, name: str, status: str, reason: str
) -> None:
    suite = load_flat(name, "uniform")
    assert run(suite, tmp_path / "runs", None, TWO) == {status: 1, "done": 1}
    run(suite, tmp_path / "inline")
    assert settled(tmp_path / "runs") == settled(tmp_path / "inline")
    ended = journals(tmp_path / "runs")[suite.conditions[0].key(0)][-1]
    assert reason in ended["error"]
    assert "Traceback" in ended["traceback"]


def test_a_plugin_that_prints_garbage_is_harmless(load_flat: Loader, notes: Path, tmp_path: Path) -> None:
    suite = load_flat({"crashes": {"how": "garbage", "notes": str(notes)}})
    assert run(suite, tmp_path / "runs", None, TWO) == {"done": 1}
    assert run(suite, tmp_path / "inline") == {"done": 1}
    assert settled(tmp_path / "runs") == settled(tmp_path / "inline")
    assert notes.stat().st_size == 2


def test_a_data_set_that_fails_in_one_trial_fails_that_trial(load_flat: Loader, tmp_path: Path) -> None:
    suite = load_flat("uniform", dataset="lost_in_trial_one", trials=3)
    assert run(suite, tmp_path / "runs", None, TWO) == {"failed": 1, "done": 2}


def test_a_select_that_hangs_is_stopped_by_its_own_process(load_flat: Loader, notes: Path, tmp_path: Path) -> None:
    hangs = {"crashes": {"how": "hang", "notes": str(notes)}}
    suite = load_flat(hangs, "uniform", limits={"select_seconds": 0.3})
    assert run(suite, tmp_path / "runs", None, TWO) == {"timeout": 1, "done": 1}
    ended = journals(tmp_path / "runs")[suite.conditions[0].key(0)][-1]
    assert ended["error"] == "select took more than 0.3 s (limits.select_seconds)"


def test_a_hang_that_ignores_signals_is_killed_after_a_grace_period(
    load_flat: Loader, notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "grace_seconds", 0.5)
    hangs = {"crashes": {"how": "hang in C", "notes": str(notes)}}
    suite = load_flat(hangs, "uniform", limits={"select_seconds": 0.3}, trials=2)
    assert run(suite, tmp_path / "runs", None, TWO) == {"timeout": 2, "done": 2}
    ended = journals(tmp_path / "runs")[suite.conditions[0].key(0)][-1]
    assert ended["error"].startswith("select took more than 0.3 s (limits.select_seconds); it did not end by itself")


def test_a_trial_over_its_limit_is_ended(load_flat: Loader, notes: Path, tmp_path: Path) -> None:
    hangs = {"crashes": {"how": "hang", "notes": str(notes)}}
    suite = load_flat(hangs, limits={"trial_hours": 1 / 3600})
    assert run(suite, tmp_path / "runs", None, TWO) == {"timeout": 1}
    (lines,) = journals(tmp_path / "runs").values()
    assert lines[-1]["error"].startswith("the trial took more than 0.000277778 hours (limits.trial_hours)")


def test_no_worker_is_left_behind(load_flat: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[process.WorkerProcess] = []

    class Noted(process.WorkerProcess):
        def __init__(self, setting: WorkerSetting) -> None:
            super().__init__(setting)
            started.append(self)

    monkeypatch.setattr("softal_bench.run.executors.local.WorkerProcess", Noted)
    run(load_flat("uniform", "bald"), tmp_path / "runs", None, TWO)
    assert len(started) == 2
    for worker in started:
        with pytest.raises(ProcessLookupError):
            os.kill(worker.pid, 0)


def test_processes_use_the_devices_in_turn(load_flat: Loader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[str] = []

    class OnTheCPU(process.WorkerProcess):
        def __init__(self, setting: WorkerSetting) -> None:
            devices.append(setting.device)
            super().__init__(dataclasses.replace(setting, device="cpu"))

    monkeypatch.setattr("softal_bench.run.executors.local.WorkerProcess", OnTheCPU)
    three = Processes(3, ["cuda:0", "cuda:1"])
    run(load_flat("uniform", trials=12, budget=60), tmp_path / "runs", None, three)
    assert sorted(devices) == ["cuda:0", "cuda:0", "cuda:1"]


def test_a_device_that_a_worker_lacks_stops_the_run(load_flat: Loader, tmp_path: Path) -> None:
    with pytest.raises(ExecutorError, match="cuda:77"):
        run(load_flat("uniform", "bald"), tmp_path / "runs", None, Processes(2, ["cuda:77"]))
    assert all(path.stat().st_size == 0 for path in (tmp_path / "runs").rglob("*.jsonl"))


def test_two_runners_of_one_suite_run_each_trial_once(load_flat: Loader, tmp_path: Path) -> None:
    suite = load_flat("uniform", "bald", trials=6, budget=60)
    recorders = Recorder(), Recorder()
    with ThreadPoolExecutor() as threads:
        runs = [threads.submit(run, suite, tmp_path / "runs", recorder, TWO) for recorder in recorders]
        assert [each.result() for each in runs] == [{"done": 12}] * 2
    started = [name for recorder in recorders for name, _ in recorder.started]
    assert sorted(started) == sorted(job.name for job in trial_jobs(suite, tmp_path))
    for lines in journals(tmp_path / "runs").values():
        assert [line["kind"] for line in lines] == ["header", "attempt", *["round"] * 11, "end"]


def test_a_runs_folder_that_cannot_be_written_is_a_storage_error(load_flat: Loader, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file in the way")
    with pytest.raises(StorageError, match="cannot be written"):
        run(load_flat("uniform", "bald", trials=4), tmp_path / "runs", None, TWO)


@pytest.mark.parametrize("text", ["{broken\n", '{"kind": "header", "schema": 2}\n'], ids=["broken", "newer"])
def test_an_unreadable_journal_affects_only_its_trial(load_flat: Loader, tmp_path: Path, text: str) -> None:
    suite = load_flat("uniform", "bald", trials=2)
    job = trial_jobs(suite, tmp_path / "runs")[1]
    job.path.parent.mkdir(parents=True)
    job.path.write_text(text)
    recorder = Recorder()
    assert run(suite, tmp_path / "runs", recorder, TWO) == {"unreadable": 1, "done": 3}
    assert job.path.read_text() == text
    assert str(recorder.errors[job.name]).startswith(f"{job.path}: ")


def test_a_trial_whose_process_dies_before_its_first_line_fails(load_flat: Loader, tmp_path: Path) -> None:
    suite = load_flat("uniform", dataset="deadly", trials=2)
    assert run(suite, tmp_path / "runs", None, TWO) == {"failed": 2}
    for lines in journals(tmp_path / "runs").values():
        assert [line["kind"] for line in lines] == ["header", "end"]
        assert lines[-1]["error"].startswith(f"two attempts in a row died in round 0: {KILLED}")
