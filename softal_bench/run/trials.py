"""The trials of a suite: which there are, whether their data suffice, and running them."""

from collections.abc import Mapping
from pathlib import Path

from softal_bench.errors import SoftalError, SuiteError
from softal_bench.run.executors.contract import Executor, Setting
from softal_bench.run.jobs import NONE_PUBLISHED, Job, Observer, Published
from softal_bench.run.runner import Runner
from softal_bench.run.trial_work import TrialJob, identity_of_data
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition, Suite
from softal_bench.trial.data import load_if_there, require_accepted
from softal_bench.trial.partition import num_rounds, require_feasible


def trial_jobs(suite: Suite, runs: Path, published: Mapping[str, Published] = NONE_PUBLISHED) -> list[TrialJob]:
    """The trials of a suite: trial 0 of every condition first, so that methods can be compared early.

    Args:
        suite: as asked for.
        runs: the folder of journals.
        published: by key, the records that count in place of a journal there.
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
    notes: list[str] = []
    for conditions in _by_dataset(suite.conditions):
        generator = Seeds(conditions[0].seed, 0).generator("dataset")
        splits = load_if_there(conditions[0].dataset, data_root, generator, fetch, notes)
        if splits is None:
            continue
        try:
            for condition in conditions:
                require_feasible(condition, splits)
            for condition in {condition.model.label: condition for condition in conditions}.values():
                require_accepted(condition.model, splits)
        except SoftalError as error:
            raise SuiteError(f"{suite.path}: {error}") from error
    return notes


def run_trials(
    suite: Suite,
    runs: Path,
    data_root: Path,
    observer: Observer,
    executor: Executor,
    published: Mapping[str, Published] = NONE_PUBLISHED,
) -> dict[str, int]:
    """Run the trials of a suite that are not finished; how many there are of each status. See `Runner.run`.

    Args:
        suite: as asked for.
        runs: the folder of journals.
        data_root: the folder of data.
        observer: is told how it goes on.
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
