"""Takes the trials of a suite up, one after another, and keeps their journals."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import torch

from softal_bench.bench import journal
from softal_bench.bench.environment import environment, versions
from softal_bench.bench.trial import PluginFailed, Trial, load_splits, num_rounds, require_feasible
from softal_bench.contracts import Splits
from softal_bench.errors import DataMissingError, JournalError, SuiteError
from softal_bench.suite import Condition, Suite


@dataclass(frozen=True)
class Job:
    """One trial to run and where its journal is."""

    condition: Condition
    trial: int
    key: str
    path: Path

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.condition.acquisition.label}, B={self.condition.batch_size}, trial {self.trial}"


class Observer(Protocol):
    """Is told how a run goes on."""

    def trial_started(self, job: Job, rounds_done: int) -> None:
        """A trial is taken up, with so many rounds in its journal already."""

    def round_done(self, job: Job, line: dict[str, Any]) -> None:
        """A round stands in the journal."""

    def trial_ended(self, job: Job, status: str, error: str | None, ran: bool) -> None:
        """A trial ended as "done", "failed", "out_of_memory" or "unreadable"; `ran`: not in an earlier run."""

    def waiting(self, job: Job) -> None:
        """Another runner has the trial; this one waits until it lets go."""


def jobs_of(suite: Suite, runs: Path) -> list[Job]:
    """The trials of a suite: trial 0 of every condition first, so that methods can be compared early."""
    pairs = [(condition, trial) for trial in range(suite.trials) for condition in suite.conditions]
    keyed = [(condition, trial, condition.key(trial)) for condition, trial in pairs]
    return [Job(condition, trial, key, runs / suite.name / f"{key}.jsonl") for condition, trial, key in keyed]


def num_trainings(suite: Suite) -> int:
    """How many times a model is trained if nothing is done yet."""
    return suite.trials * sum(num_rounds(condition) for condition in suite.conditions)


def preflight(suite: Suite, data_root: Path, fetch: bool) -> list[str]:
    """Check every condition against its data. Writes nothing but, if `fetch`, data that are missing.

    Returns:
        Without `fetch`: why conditions could not be checked against data that are not there.

    Raises:
        SuiteError: if a condition asks for more than there is.
        DataError: if the data are not what they should be, or, with `fetch`, cannot be had.
    """
    notes = []
    for conditions in _by_dataset(suite.conditions):
        try:
            if fetch:
                conditions[0].dataset.instance.prepare(data_root)
            splits = load_splits(conditions[0], 0, data_root)
        except DataMissingError as error:
            if fetch:
                raise
            notes.append(str(error))
            continue
        for condition in conditions:
            try:
                require_feasible(condition, splits)
            except SuiteError as error:
                raise SuiteError(f"{suite.path}: {error}") from error
    return notes


class Runner:
    """Runs the trials of a suite in this process.

    Args:
        suite: what to run.
        runs: the folder of journals.
        data_root: the folder of data.
        device: where to compute.
        observer: is told how it goes on.
    """

    def __init__(self, suite: Suite, runs: Path, data_root: Path, device: torch.device, observer: Observer) -> None:
        self._suite = suite
        self._runs = runs
        self._data_root = data_root
        self._device = device
        self._observer = observer
        self._splits: tuple[str, Splits] | None = None

    def run(self) -> dict[str, int]:
        """Run what is not finished. Trials that another runner has are waited for at the end.

        Returns:
            How many trials there are of each status.

        Raises:
            KeyboardInterrupt: passed on after the journal says so.
            StorageError: if a journal cannot be written.
        """
        statuses: dict[str, int] = {}
        taken = []
        for job in jobs_of(self._suite, self._runs):
            status = self._take_up(job, wait=False)
            if status is None:
                taken.append(job)
            else:
                statuses[status] = statuses.get(status, 0) + 1
        for job in taken:
            self._observer.waiting(job)
            status = self._take_up(job, wait=True)
            assert status is not None
            statuses[status] = statuses.get(status, 0) + 1
        return statuses

    def _take_up(self, job: Job, wait: bool) -> str | None:
        """Run a trial to its end and return its status; None if another runner has it."""
        if job.path.exists() and (ended := self._ended(job)):
            return ended
        with journal.locked(job.path, timeout=-1 if wait else 0) as mine:
            if not mine:
                return None
            return self._ended(job) or self._run(job)

    def _ended(self, job: Job) -> str | None:
        """The status of a trial that ended before, or whose journal cannot be read; None if it is to be run."""
        try:
            record = None if journal.is_empty(job.path) else journal.read(job.path)
        except JournalError as error:
            self._observer.trial_ended(job, "unreadable", str(error), ran=False)
            return "unreadable"
        if record is None or record.end is None:
            return None
        self._observer.trial_ended(job, record.status, record.end.get("error"), ran=False)
        return record.status

    def _run(self, job: Job) -> str:
        record = None if journal.is_empty(job.path) else journal.read(job.path)
        if record is not None and record.header["key"] != job.key:
            error = f"{job.path}: the journal of another trial ({record.header['key']}); move it away"
            self._observer.trial_ended(job, "unreadable", error, ran=False)
            return "unreadable"
        rounds = record.rounds if record else []
        writer = journal.JournalWriter(job.path)
        try:
            if record is not None and record.died_twice:
                why = f"two attempts in a row died in round {len(rounds)}; delete {job.path} to try again"
                return self._end(job, writer, "failed", why)
            self._observer.trial_started(job, len(rounds))
            with _threads(job.condition.threads):
                return self._attempt(job, writer, rounds, new=record is None)
        finally:
            writer.close()

    def _attempt(self, job: Job, writer: journal.JournalWriter, rounds: list[journal.Line], new: bool) -> str:
        try:
            trial = Trial(job.condition, job.trial, self._splits_of(job), self._device)
            if new:
                writer.write(self._header(job, trial))
            writer.write({"kind": "attempt", "time": _now(), **environment(self._device, job.condition.threads)})
            for line in trial.rounds([line["acquired"] for line in rounds]):
                writer.write(line)
                self._observer.round_done(job, line)
        except KeyboardInterrupt:
            writer.write({"kind": "interrupt", "time": _now()})
            raise
        except (MemoryError, torch.OutOfMemoryError) as error:
            return self._end(job, writer, "out_of_memory", f"{type(error).__name__}: {error}")
        except PluginFailed as error:
            return self._end(job, writer, "failed", str(error), traceback.format_exc())
        return self._end(job, writer, "done", None)

    def _header(self, job: Job, trial: Trial) -> journal.Line:
        return {
            "kind": "header",
            "schema": journal.SCHEMA,
            "suite": self._suite.name,
            "key": job.key,
            "condition": job.condition.describe(),
            "trial": job.trial,
            "start": trial.start,
            "versions": versions(job.condition),
            "environment": environment(self._device, job.condition.threads),
        }

    def _end(
        self,
        job: Job,
        writer: journal.JournalWriter,
        status: str,
        error: str | None,
        details: str | None = None,
    ) -> str:
        line = {"kind": "end", "status": status, "error": error, "time": _now()}
        writer.write(line if details is None else {**line, "traceback": details})
        self._observer.trial_ended(job, status, error, ran=True)
        return status

    def _splits_of(self, job: Job) -> Splits:
        """The data of a trial, kept while trials that share them follow one another."""
        identity = f"{job.condition.dataset.name} {job.condition.dataset.parameters} {job.condition.seed} {job.trial}"
        if self._splits is None or self._splits[0] != identity:
            self._splits = None
            self._splits = (identity, load_splits(job.condition, job.trial, self._data_root))
        return self._splits[1]


def _by_dataset(conditions: list[Condition]) -> list[list[Condition]]:
    groups: dict[str, list[Condition]] = {}
    for condition in conditions:
        groups.setdefault(f"{condition.dataset.name} {condition.dataset.parameters}", []).append(condition)
    return list(groups.values())


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
