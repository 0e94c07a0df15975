"""Fork runners from a process that has already imported torch, so that hundreds of them can be killed.

Each line of standard input requests a runner: `suite`, `runs`, and `workers`, their number, or 0 for an inline run.
The runner's process number is printed, and it leads a process group of that number. It creates the file `begun` in
`runs` when it starts the first trial, and `ended` when all trials have ended. With `kill_after` it kills one of its
workers this many seconds after `begun`.
"""

import contextlib
import ctypes
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import torch

from softal_bench.cli.progress import FailuresOnly, Tally
from softal_bench.run.executors import local, process
from softal_bench.run.executors.contract import Executor
from softal_bench.run.executors.messages import WorkerSetting
from softal_bench.run.jobs import Job
from softal_bench.run.trials import run_trials
from softal_bench.suite import load_suite

_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER on Linux


class Begins(FailuresOnly):
    """An observer that creates a file when the first trial starts."""

    def __init__(self, begun: Path) -> None:
        super().__init__(Tally([]))
        self._begun = begun
        self.deaths = 0

    def trial_started(self, job: Job[Any], rounds_done: int) -> None:
        super().trial_started(job, rounds_done)
        self._begun.touch()

    def trial_died(self, job: Job[Any], how: str) -> None:
        self.deaths += 1


def run(suite: str, runs: str, workers: int, kill_after: float | None = None) -> None:
    folder = Path(runs)
    executor: Executor = local.Processes(workers, ["cpu"]) if workers else local.Inline(torch.device("cpu"))
    if kill_after is not None:
        threading.Thread(target=_kill_a_worker, args=(folder / "begun", kill_after), daemon=True).start()
    observer = Begins(folder / "begun")
    statuses = run_trials(load_suite(Path(suite)), folder, folder / "data", observer, executor)
    (folder / "ended.new").write_text(json.dumps({"statuses": statuses, "deaths": observer.deaths}))
    (folder / "ended.new").rename(folder / "ended")


_started: list[process.WorkerProcess] = []


class Noted(process.WorkerProcess):
    def __init__(self, setting: WorkerSetting) -> None:
        super().__init__(setting)
        _started.append(self)


def _kill_a_worker(begun: Path, seconds: float) -> None:
    while not (begun.exists() and _started):
        time.sleep(0.001)
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(random.choice(_started[-2:]).pid, signal.SIGKILL)


def main() -> None:
    process.start_method = "fork"  # workers are forked from this process
    vars(local)["WorkerProcess"] = Noted
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for killed runners
    ctypes.CDLL(None).prctl(_SUBREAPER, 1)  # nor for their workers, which this process then inherits
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.setpgid(0, 0)
            random.seed()
            try:
                run(**json.loads(line))
            finally:
                os._exit(0)
        os.setpgid(child, child)  # both processes call it, so that it is done before either continues
        os.write(1, f"{child}\n".encode())


if __name__ == "__main__":
    main()
