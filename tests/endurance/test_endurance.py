"""Hundreds of trials in one run, and merges during runs, which take minutes: `make endurance` runs them."""

import json
import logging
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from run.example import CPU, Recorder, run, settled
from run.test_random_deaths import Nursery, is_gone, until

from softal_bench.errors import SoftalError
from softal_bench.journal.lines import Status
from softal_bench.records.merge import carry_out, plan_merge
from softal_bench.run.executors.contract import Executor
from softal_bench.run.executors.local import Inline, Processes
from softal_bench.run.jobs import Job
from softal_bench.suite import load_suite

log = logging.getLogger(__name__)

TRIALS = 500
MIB = 2**20
SETTLED_AFTER = 100  # trials, until memory pools and caches have their final sizes


class Watcher(Recorder):
    """Records the memory and the number of open files of this process and of its workers after each trial."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: list[int] = []
        self.files: list[int] = []

    def trial_ended(self, job: Job[Any], status: Status, error: str | None, ran: bool) -> None:
        super().trial_ended(job, status, error, ran)
        processes = family(os.getpid())
        self.bytes.append(sum(map(resident_bytes, processes)))
        self.files.append(sum(len(list(Path(f"/proc/{each}/fd").iterdir())) for each in processes))


def family(process: int) -> list[int]:
    """Return a process and all its descendants."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(each for child in children for each in family(int(child)))]


def resident_bytes(process: int) -> int:
    """Return the memory that belongs to a process alone: resident pages that it does not share."""
    _, resident, shared, *_ = Path(f"/proc/{process}/statm").read_text().split()
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("executor", [Inline(CPU), Processes(2, ["cpu"])], ids=["inline", "processes"])
def test_memory_and_open_files_stay_flat_over_500_trials(suite: Path, tmp_path: Path, executor: Executor) -> None:
    suite.write_text(suite.read_text().replace("trials: 2", f"trials: {TRIALS // 2}"))
    watcher = Watcher()
    assert run(load_suite(suite), tmp_path / "runs", watcher, executor) == {Status.DONE: TRIALS}
    assert len(watcher.bytes) == TRIALS
    later = watcher.bytes[SETTLED_AFTER:]
    half = len(later) // 2
    growth = (sorted(later[half:])[half // 2] - sorted(later[:half])[half // 2]) / half  # between medians of two halves
    log.info("memory grows by %.0f bytes a trial, from %.0f to %.0f MiB", growth, later[0] / MIB, later[-1] / MIB)
    log.info("open files: %d to %d, at most %d", watcher.files[SETTLED_AFTER], watcher.files[-1], max(watcher.files))
    assert growth < 16 * 1024
    assert max(watcher.files[SETTLED_AFTER:]) <= watcher.files[SETTLED_AFTER] + 2


def test_merging_into_the_folder_of_a_run_loses_no_round_in_50_runs(
    nursery: Nursery, suite: Path, tmp_path: Path
) -> None:
    whole, chance = tmp_path / "whole", random.Random(0)
    run(load_suite(suite), whole)
    written = refused = 0
    for number in range(50):
        runs, other = tmp_path / f"runs{number}", tmp_path / f"other{number}"
        for path in (whole / "tiny").glob("*.jsonl"):
            lines = path.read_bytes().splitlines(keepends=True)
            begun = other / "tiny" / path.name
            begun.parent.mkdir(parents=True, exist_ok=True)
            begun.write_bytes(b"".join(lines[: chance.randint(2, len(lines))]))
        child = nursery(suite, runs, number % 3)
        until((runs / "begun").exists)
        while not is_gone(child):
            try:
                written += carry_out(plan_merge([other], runs))
            except SoftalError as error:
                if "a runner has" not in str(error):
                    raise
                refused += 1
            time.sleep(chance.uniform(0, 0.02))
        assert json.loads((runs / "ended").read_text())["statuses"] == {"done": 4}
        assert settled(runs) == settled(whole)
        assert carry_out(plan_merge([whole], runs)) == 0
    log.info("%d journals written by merges, %d merges refused", written, refused)
    assert written > 10
    assert refused > 10
