"""The log-probs that a cost suite measures selection from, made once for each source, N and K and kept in a file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from softal_bench.bench.data import load
from softal_bench.bench.measure import sample_seconds, seconds_of
from softal_bench.contracts import Examples, FittedModel, Posterior, Splits
from softal_bench.errors import SuiteError
from softal_bench.seeding import Seeds
from softal_bench.suite import CostCondition, SyntheticSource, TrainedSource

_CHUNK = 512


@dataclass(frozen=True)
class StoredPool:
    """Log-probs in a .npy file (N x K x C, float32), and samples of the seconds that predicting them took."""

    path: Path
    num_classes: int
    predict_seconds: list[float]


class LogProbs:
    """Makes the pools of a cost suite, one at a time, in a folder that is removed by its owner.

    Args:
        folder: where the file of the current pool is.
        data_root: the folder of data.
        device: where models are trained and predict.
    """

    def __init__(self, folder: Path, data_root: Path, device: torch.device) -> None:
        self._folder = folder
        self._data_root = data_root
        self._device = device
        self._pool: tuple[str, StoredPool] | None = None
        self._fitted: tuple[str, FittedModel, Examples] | None = None

    def pool(self, condition: CostCondition) -> StoredPool:
        """The pool of a condition; the one before it is forgotten if it was another."""
        source = condition.source.model_dump_json(exclude={"model", "dataset"})
        identity = (
            f"{condition.source.label} {source} {condition.posterior_samples} {condition.pool_size} {condition.seed}"
        )
        if self._pool is None or self._pool[0] != identity:
            self._pool = None
            self._pool = (identity, self._made(condition))
        return self._pool[1]

    def _made(self, condition: CostCondition) -> StoredPool:
        path = self._folder / "log_probs.npy"
        if isinstance(condition.source, SyntheticSource):
            _store_synthetic(path, condition, condition.source.num_classes)
            return StoredPool(path, condition.source.num_classes, [])
        fitted, points = self._trained(condition, condition.source)
        generator = Seeds(condition.seed, 0).generator("posterior")
        posterior = fitted.posterior(condition.posterior_samples, generator)
        inputs = points.inputs[: condition.pool_size]

        def predict() -> Tensor:
            return _predicted(posterior, inputs)

        first = seconds_of(lambda: np.save(path, predict().cpu().numpy()), 1, self._device)
        seconds = sample_seconds(predict, first, condition.measurement, self._device)
        return StoredPool(path, points.num_classes, seconds)

    def _trained(self, condition: CostCondition, source: TrainedSource) -> tuple[FittedModel, Examples]:
        identity = f"{source.label} {source.model_dump_json(exclude={'model', 'dataset'})} {condition.seed}"
        if self._fitted is None or self._fitted[0] != identity:
            self._fitted = None
            self._fitted = (identity, *_train(condition, source, self._data_root, self._device))
        return self._fitted[1:]


def load_source(condition: CostCondition, source: TrainedSource, data_root: Path) -> Splits:
    """The data of a trained source."""
    return load(source.dataset, data_root, Seeds(condition.seed, 0).generator("dataset"))


def require_enough(condition: CostCondition, source: TrainedSource, splits: Splits) -> None:
    """Raise SuiteError if the source's data set has fewer points than the condition's N."""
    left = len(splits.train) - source.validation_size - source.labels
    if condition.pool_size > left:
        raise SuiteError(
            f"pool_size: N = {condition.pool_size}, but {source.dataset.label} has {len(splits.train)} training "
            f"examples, {max(left, 0)} beside {source.validation_size} for validation and {source.labels} labels"
        )


def _train(
    condition: CostCondition, source: TrainedSource, data_root: Path, device: torch.device
) -> tuple[FittedModel, Examples]:
    """The model fitted to a random labelled set, and the points of its pool in random order."""
    seeds = Seeds(condition.seed, 0)
    train = load_source(condition, source, data_root).train
    order = torch.randperm(len(train), generator=seeds.generator("validation"))
    validation, labelled, pool = torch.split(
        order, [source.validation_size, source.labels, len(train) - source.validation_size - source.labels]
    )
    fitted = source.model.instance.fit(
        train.at(labelled).to(device),
        train.at(validation).to(device),
        source.training,
        device,
        seeds.generator("training"),
    )
    return fitted, train.at(pool).to(device)


def _predicted(posterior: Posterior, inputs: Tensor) -> Tensor:
    return torch.cat([posterior.log_probs(inputs_n) for inputs_n in torch.split(inputs, _CHUNK)])


def _store_synthetic(path: Path, condition: CostCondition, num_classes: int) -> None:
    """Write log-probs with a spread of confidence like a trained network's, a chunk at a time.

    logit_nkc = s_n (z_nc + 0.35 e_nkc), z and e standard normal, log s_n normal with mean 1 and standard deviation
    0.75: from points that every sample is sure of to points on which samples differ or none is sure.
    """
    generator = Seeds(condition.seed, 0).generator("synthetic log-probs")
    size, num_samples = condition.pool_size, condition.posterior_samples
    stored = np.lib.format.open_memmap(path, "w+", np.float32, (size, num_samples, num_classes))
    for start in range(0, size, 10_000):
        count = min(10_000, size - start)
        scale_n = torch.randn(count, generator=generator).mul(0.75).add(1).exp().view(-1, 1, 1)
        common_n_C = torch.randn(count, 1, num_classes, generator=generator)
        own_n_K_C = torch.randn(count, num_samples, num_classes, generator=generator)
        stored[start : start + count] = (scale_n * (common_n_C + 0.35 * own_n_K_C)).log_softmax(dim=-1).numpy()
    stored.flush()
