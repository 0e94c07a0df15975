"""The data of a trial: downloading, reading, and checking them before a run.

Errors name the data set if it raises or changes global state.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from softal_bench.contracts import BayesianModel, Dataset, Splits, TrainingRegime
from softal_bench.contracts.dataset import available_bytes
from softal_bench.errors import DataError, DataMissingError, GlobalStateError, SoftalError
from softal_bench.machine.isolation import restored
from softal_bench.registry import Plugin
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition
from softal_bench.trial.attribution import PluginFailed, attributed_to


def prepare(dataset: Plugin[Dataset], data_root: Path) -> None:
    """Download missing files. Raise DataError for any error of the data set's code that is not a SoftalError."""
    with _as_data_error(), attributed_to("data set", dataset):
        dataset.instance.prepare(data_root)


def load_splits(condition: Condition, trial: int, data_root: Path) -> Splits:
    """Read the data of a trial. Random choices depend on the trial's seeds. Raises the same errors as `load`."""
    return load(condition.dataset, data_root, Seeds(condition.seed, trial).generator("dataset"))


def load(dataset: Plugin[Dataset], data_root: Path, generator: torch.Generator) -> Splits:
    """Read a data set.

    Raises:
        PluginFailed: if the data set raises, changes global state, or does not find its files.
        MemoryError: if memory runs out.
    """
    with attributed_to("data set", dataset):
        return dataset.instance.load(data_root, generator)


def load_if_there(
    dataset: Plugin[Dataset], data_root: Path, generator: torch.Generator, fetch: bool, notes: list[str]
) -> Splits | None:
    """Read a data set for a check before a run. Missing data are downloaded if `fetch`; otherwise a note is appended.

    Args:
        dataset: the data set.
        data_root: the folder of data.
        generator: the source of random choices in the data.
        fetch: whether to download missing data.
        notes: the list to which the reason is appended if data are missing and not downloaded.

    Returns:
        The data, or None if they are missing.

    Raises:
        DataError: if the data are not as expected, do not fit in memory, or, with `fetch`, cannot be downloaded.
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


def require_accepted(model: Plugin[BayesianModel], splits: Splits) -> None:
    """Fit the model to one of the inputs for one step. Raise DataError if the model rejects these inputs.

    All other failures are ignored, because the model's trials report them.
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
    """Raise a SoftalError of the data set unchanged, and DataError for any other failure attributed to it."""
    try:
        yield
    except MemoryError as error:
        available = f"{available_bytes() / 2**30:.3g} GiB available on this machine"
        raise DataError(
            f"{error}; memory ran out while the data were loaded, with {available}; use fewer examples, or a machine "
            "with more memory"
        ) from error
    except PluginFailed as error:
        cause = error.__cause__
        if isinstance(cause, SoftalError) and not isinstance(cause, GlobalStateError):
            raise cause from None
        raise DataError(str(error)) from cause
