"""A short sample of a model's training, evaluation and selection, from which the cost of a whole round is estimated."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from softal_bench.bayes.training import evaluation_log_probs
from softal_bench.contracts import (
    Examples,
    FittedModel,
    LabelledSet,
    Pool,
    Posterior,
    Progress,
    Splits,
    TrainingRegime,
)
from softal_bench.journal.lines import Status
from softal_bench.machine.stopwatch import peak_memory, reset_peak_memory, synchronise
from softal_bench.pools import LabelledTensors, TensorPool
from softal_bench.suite import Condition, TrialLimits
from softal_bench.trial.attribution import Ended, attributed_to
from softal_bench.trial.deadlines import Clock
from softal_bench.trial.partition import draw_start, draw_validation, pool_size

T = TypeVar("T")
_FEW_DRAWS = 256  # draws of the epoch in the shortest training that is timed
_SECONDS_MORE = 1.0  # trainings grow until one takes this much longer than the shortest, or draws a whole epoch
_POINTS = 1000  # the most points of the pool, and of the test set, that a sample uses


class ModelSample:
    """A model that was trained briefly, and the cost of its rounds.

    Args:
        condition: the data set, the model and the training.
        splits: the data.
        device: where to compute.
        until: when the time of the sample is over, by the monotonic clock.

    Raises:
        Ended: if the time of the sample is over, or the model fails.
    """

    def __init__(self, condition: Condition, splits: Splits, device: torch.device, until: float) -> None:
        self._condition, self._splits, self._device, self._until = condition, splits, device, until
        self._predicted: dict[int, tuple[Posterior, Tensor, float]] = {}
        validation, candidates = draw_validation(condition, 0, splits)
        start = draw_start(condition, 0, splits, candidates)
        self._labelled = splits.train.at(torch.tensor(start)).to(device)
        self._validation = splits.train.at(validation).to(device)
        self._points = splits.train.at(candidates[:_POINTS]).to(device)
        self._in_time(lambda: self._fit(64))  # an untimed warm-up, which loads libraries and kernels
        self._draw_seconds, self._epoch_seconds, self._fitted = self._in_time(self._train)
        self._evaluate_seconds = self._in_time(self._evaluate)
        self._base_bytes = peak_memory(device)

    def round(self, condition: Condition) -> tuple[float, int]:
        """Return the seconds and the peak bytes of a round of a condition with this model and data.

        The seconds of training are an upper bound, because early stopping is ignored.

        Raises:
            Ended: if the time of the sample is over, or a plugin fails.
        """
        training, points = _regime(condition), self._num_points(condition)
        epochs = training.max_epochs
        seconds = epochs * (self._epoch_seconds + self._draw_seconds * training.epoch_draws) + self._evaluate_seconds
        posterior, log_probs_n_K_C, predict_seconds = self._in_time(lambda: self._predict(condition.posterior_samples))
        with attributed_to("acquisition function", condition.acquisition):
            needs = condition.acquisition.instance.needs
        pool = _SamplePool(self._fitted, posterior, self._labelled, self._points, log_probs_n_K_C, condition, needs)
        reset_peak_memory(self._device)
        select_seconds = self._in_time(lambda: self._select(condition, pool))
        peak = peak_memory(self._device)
        seconds += (select_seconds + predict_seconds * pool.was_read) * points / pool.size
        if pool.was_distilled:
            seconds += epochs * self._draw_seconds * points
        return seconds, max(peak, self.declared_bytes(condition) or 0)

    def declared_bytes(self, condition: Condition) -> int | None:
        """Return the peak bytes that the acquisition function declares, plus the memory of the process without it.

        Return None if it declares none.

        Raises:
            PluginFailed: if its `peak_bytes` raises.
        """
        points, num_classes = self._num_points(condition), self._points.num_classes
        declared = declared_peak(condition, points, num_classes, self._device)
        return None if declared is None else self._base_bytes + declared

    def _in_time(self, call: Callable[[], T]) -> T:
        left = self._until - time.monotonic()
        if left <= 0:
            raise Ended(Status.TIMEOUT, "the sample took too long")
        return Clock(TrialLimits(select_seconds=left)).selection(call)

    def _num_points(self, condition: Condition) -> int:
        points = pool_size(condition, self._splits)
        return points if condition.pool_subset is None else min(points, condition.pool_subset)

    def _train(self) -> tuple[float, float, FittedModel]:
        """Return the seconds of a draw, the seconds of an epoch in addition to its draws, and the model."""
        draws = _FEW_DRAWS
        fitted, few = self._fit(draws)
        many = few
        while many < few + _SECONDS_MORE and draws < self._condition.training.epoch_draws:
            draws *= 4
            fitted, many = self._fit(draws)
        of_draw = max(0.0, many - few) / max(1, draws - _FEW_DRAWS)
        return of_draw, max(0.0, few - of_draw * _FEW_DRAWS), fitted

    def _fit(self, draws: int) -> tuple[FittedModel, float]:
        """Return the model after one epoch with this number of draws, and the seconds that it took."""
        condition = self._condition
        training = _regime(condition).model_copy(update={"epoch_draws": draws, "max_epochs": 1})
        start = self._now()
        with attributed_to("model", condition.model):
            fitted = condition.model.instance.fit(
                self._labelled, self._validation, training, self._device, torch.Generator()
            )
        return fitted, self._now() - start

    def _evaluate(self) -> float:
        """Return the seconds of an evaluation on the whole test set."""
        test, training = self._splits.test, _regime(self._condition)
        part = test.at(torch.arange(min(_POINTS, len(test)))).to(self._device)
        start = self._now()
        with attributed_to("model", self._condition.model):
            evaluation_log_probs(self._fitted, part.inputs, training.test_samples, training, torch.Generator())
        return (self._now() - start) * len(test) / len(part)

    def _predict(self, num_samples: int) -> tuple[Posterior, Tensor, float]:
        """Return K posterior samples, the log-probs of the points under them, and the seconds that these took."""
        if num_samples not in self._predicted:
            with attributed_to("model", self._condition.model):
                posterior = self._fitted.posterior(num_samples, torch.Generator())
                posterior.log_probs(self._points.inputs[:16])  # an untimed warm-up, which loads libraries and kernels
                start = self._now()
                log_probs_n_K_C = posterior.log_probs(self._points.inputs)
                self._predicted[num_samples] = posterior, log_probs_n_K_C, self._now() - start
        return self._predicted[num_samples]

    def _select(self, condition: Condition, pool: "_SamplePool") -> float:
        """Return the seconds of a selection of B points, or of all points of the sample if it has fewer."""
        start = self._now()
        with attributed_to("acquisition function", condition.acquisition):
            condition.acquisition.instance.select(pool, min(condition.batch_size, pool.size), torch.Generator())
        return self._now() - start

    def _now(self) -> float:
        synchronise(self._device)
        return time.perf_counter()


def declared_peak(condition: Condition, pool_size: int, num_classes: int, device: torch.device) -> int | None:
    """Return the bytes that the acquisition function declares for a selection from such a pool; None if O(N).

    Raises:
        PluginFailed: if its `peak_bytes` raises, or returns something that is not a number.
    """
    with attributed_to("acquisition function", condition.acquisition), device:
        declared = condition.acquisition.instance.peak_bytes(
            pool_size, condition.posterior_samples, num_classes, condition.batch_size
        )
        return None if declared is None else int(declared)


def _regime(condition: Condition) -> TrainingRegime:
    """Return the regime, which reads the model's `evaluation_samples`."""
    with attributed_to("model", condition.model):
        return condition.regime


class _SamplePool(TensorPool):
    """A pool that records what is read from it. Its `targets` and `evaluation` are the pool itself."""

    def __init__(
        self,
        fitted: FittedModel,
        posterior: Posterior,
        labelled: Examples,
        points: Examples,
        log_probs_N_K_C: Tensor,
        condition: Condition,
        needs: frozenset[str],
    ) -> None:
        progress = Progress(0, len(labelled), condition.budget, condition.batch_size)
        super().__init__(log_probs_N_K_C, progress=progress)
        self._needs = needs
        self._fitted, self._posterior = fitted, posterior
        self._examples, self._points = labelled, points
        self.was_read = self.was_distilled = False

    def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.was_read = True
        return super().log_probs()

    def log_probs_at(self, positions: Tensor) -> Tensor:
        self.was_read = True
        return super().log_probs_at(positions)

    def embeddings(self) -> Tensor:
        return self._fitted.embeddings(self._points.inputs) if "embeddings" in self._needs else super().embeddings()

    def features(self) -> Tensor:
        features = self._points.features
        return super().features() if "features" not in self._needs or features is None else features

    def inputs_at(self, positions: Tensor) -> Tensor:
        return self._points.inputs[positions] if "inputs" in self._needs else super().inputs_at(positions)

    def head(self, embeddings_n_D: Tensor) -> Tensor:
        return self._posterior.head(embeddings_n_D) if "head" in self._needs else super().head(embeddings_n_D)

    @property
    def labelled(self) -> LabelledSet:
        if "labelled" not in self._needs:
            return super().labelled
        labelled = self._examples
        return _SampleLabelled(
            self._posterior,
            labelled,
            embeddings_L_D=self._fitted.embeddings(labelled.inputs) if "embeddings" in self._needs else None,
            features_L_F=labelled.features if "features" in self._needs else None,
        )

    @property
    def targets(self) -> Pool:
        return self if "targets" in self._needs else super().targets

    @property
    def evaluation(self) -> Pool:
        if "evaluation" not in self._needs:
            return super().evaluation
        self.was_distilled = True
        return self


class _SampleLabelled(LabelledTensors):
    """The labelled set of a sample. It is predicted only when its log-probs are read, as in a trial."""

    def __init__(
        self, posterior: Posterior, labelled: Examples, embeddings_L_D: Tensor | None, features_L_F: Tensor | None
    ) -> None:
        indices_L = torch.arange(len(labelled), device=labelled.labels.device)
        super().__init__(labelled.labels, indices_L, embeddings_L_D=embeddings_L_D, features_L_F=features_L_F)
        self._posterior, self._inputs = posterior, labelled.inputs

    def log_probs(self) -> Tensor:
        return self._posterior.log_probs(self._inputs)
