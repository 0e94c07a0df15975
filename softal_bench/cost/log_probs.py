"""The pools of a cost suite: log-probs that are computed once for each source, N and K, and stored in a file."""

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from softal_bench.contracts import Examples, FittedModel, Posterior
from softal_bench.contracts.dataset import available_bytes
from softal_bench.cost.cell import measurement_lock, sample_seconds, seconds_of
from softal_bench.errors import StorageError
from softal_bench.journal.lines import Status
from softal_bench.machine.memory import prediction_chunk
from softal_bench.seeding import Seeds
from softal_bench.suite import CostCondition, SyntheticSource, TrainedSource
from softal_bench.trial.attribution import AttributedModel, Ended, attributed_to
from softal_bench.trial.data import load

_DRAWN_AT_A_TIME = 10_000  # points of a synthetic source that are drawn at a time; the random numbers depend on it
_COPIES_HELD = 2  # copies of the log-probs that are in memory while they are computed, in addition to their inputs
_HAS_PROC = Path("/proc/self/fd").is_dir()


@dataclass(frozen=True)
class StoredPool:
    """Log-probs in a .npy file (N x K x C, float32), and samples of the seconds that their prediction takes.

    Attributes:
        file: the open file. On Linux it has no name, so that the system always removes it when this process ends.
            Elsewhere it is removed when it is closed.
        num_classes: C.
        predict_seconds: the samples; empty for a synthetic source.
    """

    file: IO[bytes]
    num_classes: int
    predict_seconds: list[float]

    @property
    def path(self) -> Path:
        """The path by which other processes can open the file while this object exists."""
        return Path(f"/proc/{os.getpid()}/fd/{self.file.fileno()}") if _HAS_PROC else Path(self.file.name)


class LogProbs:
    """Computes the pools of a cost suite, one at a time.

    Args:
        data_root: the folder of data.
        device: the device on which models are trained and predict.
        on_wait: called before waiting until this user measures no other cost on this machine.
    """

    def __init__(self, data_root: Path, device: torch.device, on_wait: Callable[[], None] = lambda: None) -> None:
        self._on_wait = on_wait
        self._data_root = data_root
        self._device = device
        self._pool: tuple[str, StoredPool] | None = None
        self._fitted: tuple[str, FittedModel, Examples] | None = None

    def pool(self, condition: CostCondition) -> StoredPool:
        """Return the pool of a condition. It replaces the previous pool unless they are the same."""
        of_pool = condition.model_dump_json(exclude={"acquisition", "batch_size", "limits", "source"})
        identity = f"{_identity(condition.source)} {of_pool}"
        if self._pool is None or self._pool[0] != identity:
            if self._pool is not None:
                self._pool[1].file.close()  # frees its space on the disk before the next pool is stored
            self._pool = None
            with measurement_lock(self._on_wait):  # needed because prediction is timed
                self._pool = (identity, self._made(condition))
        return self._pool[1]

    def _made(self, condition: CostCondition) -> StoredPool:
        if isinstance(condition.source, SyntheticSource):
            _require_feasible(condition, condition.pool_size, condition.source.num_classes)
            file = _store_synthetic(condition, condition.source.num_classes)
            return StoredPool(file, condition.source.num_classes, [])
        source = condition.source
        fitted, points = self._trained(condition, source)
        _require_feasible(condition, len(points), points.num_classes)
        inputs = points.inputs[: condition.pool_size]

        def predict() -> Tensor:
            generator = Seeds(condition.seed, 0).generator("posterior")
            return _predicted(fitted.posterior(condition.posterior_samples, generator), inputs)

        predicted: list[Tensor] = []
        with attributed_to("model", source.model):  # around the timed call, so that comparing global state is not timed
            first = seconds_of(lambda: predicted.append(predict()), 1, self._device)
        log_probs_N_K_C = predicted.pop()
        file = _store(log_probs_N_K_C.shape, [log_probs_N_K_C])  # not attributed to the model: only the disk can fail
        del log_probs_N_K_C
        with attributed_to("model", source.model):
            seconds = sample_seconds(predict, first, condition.measurement, self._device)
        return StoredPool(file, points.num_classes, seconds)

    def _trained(self, condition: CostCondition, source: TrainedSource) -> tuple[FittedModel, Examples]:
        identity = f"{_identity(source)} {condition.seed} {condition.threads}"
        if self._fitted is None or self._fitted[0] != identity:
            self._fitted = None
            self._fitted = (identity, *_train(condition, source, self._data_root, self._device))
        return self._fitted[1:]


def num_points(source: TrainedSource, num_examples: int) -> int:
    """Return how many training examples are left for the pool of a source; negative if it needs more than exist."""
    return num_examples - source.validation_size - source.labels


def why_infeasible(condition: CostCondition, points: int, num_classes: int) -> str | None:
    """Return why the log-probs of a condition cannot be computed on this machine, or None if they can.

    Args:
        condition: the condition, with N points and K posterior samples.
        points: the number of points that its source has; N if it draws them at random.
        num_classes: C.
    """
    source, size = condition.source, condition.pool_size
    if isinstance(source, TrainedSource) and size > points:
        return (
            f"pool_size: N = {size}, but {source.dataset.label} has {points + source.validation_size + source.labels} "
            f"training examples, which leaves {max(points, 0)} after {source.validation_size} for validation and "
            f"{source.labels} labels; lower pool_size"
        )
    shape = (size, condition.posterior_samples, num_classes)
    needed = f"log-probs of shape {shape} need {4 * math.prod(shape) / 2**30:.3g} GiB"
    if 4 * math.prod(shape) > (free := free_bytes()):
        return (
            f"{needed}, but {free / 2**30:.3g} GiB are free in {tempfile.gettempdir()}; set TMPDIR to another folder, "
            "or lower pool_size or posterior_samples"
        )
    drawn = min(size, _DRAWN_AT_A_TIME) if isinstance(source, SyntheticSource) else size
    held = _COPIES_HELD * 4 * drawn * condition.posterior_samples * num_classes
    if held > (available := available_bytes()):
        return (
            f"{needed}, and {held / 2**30:.3g} GiB of memory while they are made, but {available / 2**30:.3g} GiB are "
            "available on this machine; lower posterior_samples or pool_size"
        )
    return None


def _require_feasible(condition: CostCondition, points: int, num_classes: int) -> None:
    """Raise Ended for this cell if its log-probs cannot be computed. Other cells may need less and can continue."""
    why = why_infeasible(condition, points, num_classes)
    if why is not None:
        raise Ended(Status.FAILED, why)


def _train(
    condition: CostCondition, source: TrainedSource, data_root: Path, device: torch.device
) -> tuple[FittedModel, Examples]:
    """Fit the model to a random labelled set. Return it and the remaining points in random order."""
    seeds = Seeds(condition.seed, 0)
    train = load(source.dataset, data_root, seeds.generator("dataset")).train
    points = num_points(source, len(train))
    _require_feasible(condition, points, train.num_classes)  # fails before the model is trained
    order = torch.randperm(len(train), generator=seeds.generator("validation"))
    validation, labelled, pool = torch.split(order, [source.validation_size, source.labels, points])
    with attributed_to("model", source.model):
        fitted = source.model.instance.fit(
            train.at(labelled).to(device),
            train.at(validation).to(device),
            source.training.for_model(source.model.instance),
            device,
            seeds.generator("training"),
        )
    return AttributedModel(fitted, source.model), train.at(pool).to(device)


def _predicted(posterior: Posterior, inputs: Tensor) -> Tensor:
    return torch.cat(
        [posterior.log_probs(inputs_n) for inputs_n in torch.split(inputs, prediction_chunk(inputs.device))]
    )


def _store_synthetic(condition: CostCondition, num_classes: int) -> IO[bytes]:
    """Store log-probs whose confidence varies as in a trained network, one chunk at a time.

    logit_nkc = s_n (3.5 [c = c_n] + z_nc + 0.5 e_nkc)

    Here z and e are standard normal, c_n is a random class, and log s_n is normal with mean 1 and standard deviation
    0.3. At K = 20 and C = 10 the quartiles of predictive entropy are 0.03, 0.19 and 0.60 nats, and those of BALD are
    0.005, 0.04 and 0.13 nats. For a network trained on 60 of scikit-learn's digits they are 0.06, 0.23 and 0.63 nats,
    and 0.01, 0.05 and 0.15 nats.
    """
    generator = Seeds(condition.seed, 0).generator("synthetic log-probs")
    size, num_samples = condition.pool_size, condition.posterior_samples

    def chunks() -> Iterator[Tensor]:
        for start in range(0, size, _DRAWN_AT_A_TIME):
            count = min(_DRAWN_AT_A_TIME, size - start)
            scale_n_1_1 = torch.randn(count, 1, 1, generator=generator).mul(0.3).add(1).exp()
            favoured_n = torch.randint(num_classes, (count,), generator=generator)
            common_n_C = torch.randn(count, num_classes, generator=generator) + 3.5 * one_hot(favoured_n, num_classes)
            own_n_K_C = torch.randn(count, num_samples, num_classes, generator=generator)
            yield (scale_n_1_1 * (common_n_C.unsqueeze(1) + 0.5 * own_n_K_C)).log_softmax(dim=-1)

    return _store((size, num_samples, num_classes), chunks())


def free_bytes() -> int:
    """Return the free space of the temporary folder, where log-probs are stored."""
    return shutil.disk_usage(tempfile.gettempdir()).free


def _store(shape: Sequence[int], chunks: Iterable[Tensor]) -> IO[bytes]:
    """Write float32 chunks one after another to a .npy file in the temporary folder, and return the open file.

    Raises:
        StorageError: if writing fails.
    """
    folder = Path(tempfile.gettempdir())
    try:
        make = tempfile.TemporaryFile if _HAS_PROC else tempfile.NamedTemporaryFile
        file: IO[bytes] = make(suffix=".npy")
        header = {"descr": "<f4", "fortran_order": False, "shape": tuple(shape)}
        np.lib.format.write_array_header_1_0(file, header)
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk.cpu().numpy(), dtype="<f4").data)
        file.flush()
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written: {error.strerror}; set TMPDIR to another folder") from error
    return file


def _identity(source: SyntheticSource | TrainedSource) -> str:
    return f"{source.label} {source.model_dump_json(exclude={'model', 'dataset'})}"
