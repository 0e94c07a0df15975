"""The trials of a suite: listing them, checking that their data suffice, and computing them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from softal_bench.contracts import Splits
from softal_bench.errors import SoftalError, SuiteError
from softal_bench.journal.lines import Measurement, Round, Status
from softal_bench.registry import Plugin
from softal_bench.run.executors.contract import Executor, Setting
from softal_bench.run.jobs import NONE_PUBLISHED, Computation, Job, LocalWork, Observer, Preflight, Published
from softal_bench.run.runner import Runner
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition, Suite, TrialLimits
from softal_bench.trial.attribution import attributed_to
from softal_bench.trial.data import load_if_there, load_splits, require_accepted
from softal_bench.trial.deadlines import Clock, OnDeadline, ignore_deadline
from softal_bench.trial.partition import num_rounds, require_feasible
from softal_bench.trial.trial import Trial, warm_up

TrialJob = Job[Condition]


def trial_jobs(suite: Suite, runs: Path, published: Mapping[str, Published] = NONE_PUBLISHED) -> list[TrialJob]:
    """Return the trials of a suite: trial 0 of every condition first, so that methods can be compared early.

    Args:
        suite: the suite, with the user's overrides.
        runs: the folder of journals.
        published: the records that count instead of a journal in that folder, by key.
    """
    return [
        Job(
            condition,
            trial,
            runs / suite.name / f"{key}.jsonl",
            num_rounds(condition),
            f"{condition.acquisition.label}, B={condition.batch_size}, trial {trial}",
            published.get(key),
        )
        for trial in range(suite.trials)
        for condition in suite.conditions
        if suite.asks_for(key := condition.key(trial))
    ]


def num_trainings(suite: Suite) -> int:
    """Return how many times a model is trained in a run that computes every round."""
    return suite.trials * sum(num_rounds(condition) for condition in suite.conditions)


def preflight(suite: Suite, data_root: Path, fetch: bool) -> Preflight:
    """Check every condition against its data. If `fetch`, download missing data; write nothing else.

    Returns:
        Without `fetch`, the conditions that could not be checked because their data are missing.

    Raises:
        SuiteError: if a condition needs more data than there are, or an acquisition function needs what its model or
            its data set does not offer.
        DataError: if the data are not as expected, or, with `fetch`, cannot be downloaded.
    """
    notes: list[str] = []
    lacking = [line for condition in suite.conditions for line in _lacking_in_model(condition)]
    for conditions in _by_dataset(suite.conditions):
        generator = Seeds(conditions[0].seed, 0).generator("dataset")
        splits = load_if_there(conditions[0].dataset, data_root, generator, fetch, notes)
        if splits is None:
            continue
        lacking += [line for condition in conditions for line in _lacking_in_data(condition, splits)]
        try:
            for condition in conditions:
                require_feasible(condition, splits)
            for condition in {condition.model.label: condition for condition in conditions}.values():
                require_accepted(condition.model, splits)
        except SoftalError as error:
            raise SuiteError(f"{suite.path}: {error}") from error
    if lacking:
        raise SuiteError(
            f"{suite.path}: {'; '.join(dict.fromkeys(lacking))}; leave these acquisition functions out, or use a model "
            "and a data set that offer what they need"
        )
    return Preflight(unchecked=tuple(notes))


_OF_MODEL = {
    "embeddings": "embeddings",
    "head": "head",
    "evaluation": "distil",
}  # a need, and what a model offers for it


def _lacking_in_model(condition: Condition) -> Iterator[str]:
    """Yield what the acquisition function needs and the model does not offer, unless the model does not declare it."""
    offers = _declared(condition.model, "model", "offers")
    for need in sorted(_declared(condition.acquisition, "acquisition function", "needs") & _OF_MODEL.keys()):
        if offers is not None and _OF_MODEL[need] not in offers:
            yield f"{condition.acquisition.label} needs {need}, which model {condition.model.label} does not offer"


def _lacking_in_data(condition: Condition, splits: Splits) -> Iterator[str]:
    needs = _declared(condition.acquisition, "acquisition function", "needs")
    if "features" in needs and splits.train.features is None:
        label = condition.dataset.label
        yield f"{condition.acquisition.label} needs features, which data set {label} does not have"


def _declared(plugin: Plugin[Any], noun: str, name: str) -> Any:
    """Return a declaration of a plugin, which may be a property that raises."""
    with attributed_to(noun, plugin):
        return getattr(plugin.instance, name)


def run_trials(
    suite: Suite,
    runs: Path,
    data_root: Path,
    observer: Observer,
    executor: Executor,
    published: Mapping[str, Published] = NONE_PUBLISHED,
) -> dict[Status, int]:
    """Run the unfinished trials of a suite and return the number of trials with each status. See `Runner.run`.

    Args:
        suite: the suite, with the user's overrides.
        runs: the folder of journals.
        data_root: the folder of data.
        observer: receives the events of the run.
        executor: computes the trials.
        published: see `trial_jobs`.
    """
    threads = max(condition.threads for condition in suite.conditions)
    setting = Setting(data_root, suite.limits, suite.resources, threads)
    with executor.started(setting) as crew:
        return Runner(suite.name, trial_jobs(suite, runs, published), crew.work, observer, crew.workers).run()


def _by_dataset(conditions: list[Condition]) -> list[list[Condition]]:
    groups: dict[str, list[Condition]] = {}
    for condition in conditions:
        groups.setdefault(identity_of_data(condition), []).append(condition)
    return list(groups.values())


class TrialWork(LocalWork):
    """Trials computed in this process. Their data are kept in memory for the next trial that uses the same data.

    Args:
        data_root: the folder of data.
        device: where to compute.
        limits: the time limits of a trial.
        on_deadline: see `Clock`.

    Attributes:
        data_root: the folder of data.
    """

    def __init__(
        self, data_root: Path, device: torch.device, limits: TrialLimits, on_deadline: OnDeadline = ignore_deadline
    ) -> None:
        super().__init__(device)
        self.data_root = data_root
        self._limits = limits
        self._on_deadline = on_deadline
        self._splits: tuple[str, Splits] | None = None
        self._warm: set[str] = set()

    def take_up(self, job: TrialJob, done: Sequence[Measurement]) -> Computation:
        rounds = [line for line in done if isinstance(line, Round)]
        clock = Clock(self._limits, sum(round_.total_seconds for round_ in rounds), self._on_deadline)
        return clock.trial(lambda: self._prepared(job, rounds, clock))

    def _prepared(self, job: TrialJob, done: Sequence[Round], clock: Clock) -> Computation:
        splits = self._splits_of(job)
        trial = Trial(job.condition, job.trial, splits, self._device, clock)
        acquired = [round_.acquired for round_ in done]
        trial.require_replayable(acquired)
        self._warm_up(job.condition, splits)
        return _TrialComputation(trial, acquired, asdict(splits.provenance))

    def _warm_up(self, condition: Condition, splits: Splits) -> None:
        """Warm up on this device before the first trial in this process that uses tensors of these sizes."""
        sizes = f"{condition.posterior_samples} {condition.threads} {condition.training!r}"
        identity = f"{condition.model.label} {identity_of_data(condition)} {sizes}"
        if identity not in self._warm:
            self._warm.add(identity)
            warm_up(condition, splits, self._device)

    def _splits_of(self, job: TrialJob) -> Splits:
        identity = f"{identity_of_data(job.condition)} {job.condition.seed} {job.trial}"
        if self._splits is None or self._splits[0] != identity:
            self._splits = None  # frees the memory of the old data before the new data are loaded
            self._splits = (identity, load_splits(job.condition, job.trial, self.data_root))
        return self._splits[1]


@dataclass(frozen=True)
class _TrialComputation:
    trial: Trial
    acquired: list[list[int]]
    provenance: dict[str, Any]

    @property
    def start(self) -> list[int]:
        return self.trial.start

    def measurements(self) -> Iterator[Measurement]:
        return self.trial.rounds(self.acquired)


def identity_of_data(condition: Condition) -> str:
    """Return a text that is equal for conditions with the same data set and different for others."""
    return f"{condition.dataset.name} {condition.dataset.parameters}"
