"""Data sets, with whatever goes wrong in one told as an error of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from softal_bench.contracts import BayesianModel, Dataset, Splits, TrainingRegime
from softal_bench.errors import DataError, DataMissingError, GlobalStateError, SoftalError
from softal_bench.machine.isolation import restored, unchanged
from softal_bench.registry import Plugin


def prepare(dataset: Plugin[Dataset], data_root: Path) -> None:
    """Fetch what is missing. Raises DataError, also for what the data set's own code raises."""
    with _unchanged(dataset), _told(dataset):
        dataset.instance.prepare(data_root)


def load(dataset: Plugin[Dataset], data_root: Path, generator: torch.Generator) -> Splits:
    """Read the data. Raises DataError, also for what the data set's own code raises."""
    with _told(dataset):
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
        with _unchanged(dataset):
            return load(dataset, data_root, generator)
    except DataMissingError as error:
        if fetch:
            raise
        notes.append(str(error))
        return None


def require_taken(model: Plugin[BayesianModel], splits: Splits) -> None:
    """Raise DataError if the model says that it cannot take these inputs: it is fitted to one of them for one step.

    Whatever else goes wrong in it is left to the trials, whose journals tell it.
    """
    one = splits.train.at(torch.zeros(1, dtype=torch.int64))
    training = TrainingRegime(batch_size=1, epoch_draws=1, max_epochs=1)
    try:
        with restored():
            model.instance.fit(one, one, training, torch.device("cpu"), torch.Generator())
    except DataError:
        raise
    except (Exception, SystemExit):
        return


@contextmanager
def _unchanged(dataset: Plugin[Dataset]) -> Iterator[None]:
    """Restore global state that the data set changes, and raise DataError if it did; `blame` does so in trials."""
    try:
        with unchanged():
            yield
    except GlobalStateError as error:
        raise DataError(f"data set {dataset.label!r} {error}") from error


@contextmanager
def _told(dataset: Plugin[Dataset]) -> Iterator[None]:
    try:
        yield
    except (SoftalError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise DataError(f"data set {dataset.label!r} raised {type(error).__name__}: {error}") from error
