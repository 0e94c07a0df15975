"""Calls into data sets, each guarded: a data set that raises or changes global state is named as the cause."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from softal_bench.contracts import BayesianModel, Dataset, Splits, TrainingRegime
from softal_bench.errors import DataError, DataMissingError, GlobalStateError, SoftalError
from softal_bench.machine.isolation import restored
from softal_bench.registry import Plugin
from softal_bench.trial.attribution import PluginFailed, blame


def prepare(dataset: Plugin[Dataset], data_root: Path) -> None:
    """Fetch what is missing. Raises DataError, also for what the data set's own code raises."""
    with _as_data_error(), blame("data set", dataset):
        dataset.instance.prepare(data_root)


def load(dataset: Plugin[Dataset], data_root: Path, generator: torch.Generator) -> Splits:
    """Read the data for a trial.

    Raises:
        PluginFailed: if the data set raises, changes global state, or does not find its files.
        MemoryError: if memory runs out.
    """
    with blame("data set", dataset):
        return dataset.instance.load(data_root, generator)


def load_if_there(
    dataset: Plugin[Dataset], data_root: Path, generator: torch.Generator, fetch: bool, notes: list[str]
) -> Splits | None:
    """Read the data for a check before a run. If `fetch`, missing data are fetched; else their lack is noted.

    Raises:
        DataError: if the data are not what they should be, or, with `fetch`, cannot be had.
    """
    if fetch:
        prepare(dataset, data_root)
    try:
        with _as_data_error():
            return load(dataset, data_root, generator)
    except DataMissingError as error:
        if fetch:
            raise
        notes.append(str(error))
        return None


def require_taken(model: Plugin[BayesianModel], splits: Splits) -> None:
    """Raise DataError if the model says that it cannot take these inputs: it is fitted to one of them for one step.

    Any other failure of the model is reported by its trials.
    """
    one = splits.train.at(torch.zeros(1, dtype=torch.int64))
    training = TrainingRegime(batch_size=1, epoch_draws=1, max_epochs=1)
    try:
        with restored():
            regime = training.for_model(model.instance)
            model.instance.fit(one, one, regime, torch.device("cpu"), torch.Generator())
    except DataError:
        raise
    except (Exception, SystemExit):
        return


@contextmanager
def _as_data_error() -> Iterator[None]:
    """Raise a SoftalError of the data set as it is, and DataError for anything else that `blame` names it for."""
    try:
        yield
    except PluginFailed as error:
        cause = error.__cause__
        if isinstance(cause, SoftalError) and not isinstance(cause, GlobalStateError):
            raise cause from None
        raise DataError(str(error)) from cause
