"""One condition, one seed: train from scratch, evaluate, acquire, and so on until the budget is reached.

A trial's state is its list of acquired indices: given those of the rounds that are done, it goes on from there.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from softal_bench.bayes.training import accuracy_and_nll, evaluation_log_probs
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, BayesianModel, FittedModel, Splits
from softal_bench.contracts.acquisition import require_sound_batch
from softal_bench.errors import JournalError, NumericalError, SuiteError, shown
from softal_bench.journal.lines import Round
from softal_bench.machine.stopwatch import Stopwatch, peak_memory, reset_peak_memory
from softal_bench.registry import Plugin
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition, TrialLimits
from softal_bench.trial.attributed_model import BlamedModel
from softal_bench.trial.attribution import PluginFailed, blame
from softal_bench.trial.data import load
from softal_bench.trial.deadlines import Clock
from softal_bench.trial.partition import draw_start, draw_validation, pool_size, sources_kept_apart
from softal_bench.trial.round_pools import RoundPools, TrialExamples

PHASES = ("train", "predict", "select", "evaluate")


def load_splits(condition: Condition, trial: int, data_root: Path) -> Splits:
    """The data of a trial; what is random about them follows from the trial's seeds."""
    generator = Seeds(condition.seed, trial).generator("dataset")
    return load(condition.dataset, data_root, generator)


def require_feasible(condition: Condition, splits: Splits) -> None:
    """Raise SuiteError if the condition asks for more than its data set has."""
    size, start, batch = len(splits.train), condition.initial.size, condition.batch_size
    pool = pool_size(condition, splits)
    have = f"{condition.dataset.label} has {size} training examples"
    apart = sources_kept_apart(condition, splits) is not None
    copies_too = ", with the copies that validation.before_repetition leaves out" if apart else ""
    if pool < 0:
        raise SuiteError(
            f"validation_size: {have}; {condition.validation_size} for validation and {start} at the start are more "
            f"than that{copies_too}"
        )
    if batch > pool:
        raise SuiteError(
            f"batch_size: {batch} is larger than the pool: {have}, of which {pool} are in the pool at the start"
        )
    if num_rounds(condition) * batch - batch > pool:
        raise SuiteError(
            f"budget: {condition.budget} labels in batches of {batch} need more than the pool's {pool} ({have})"
        )
    if condition.initial.balanced and start % splits.train.num_classes:
        raise SuiteError(
            f"initial.size: {start} cannot be balanced over {splits.train.num_classes} classes; use a multiple"
        )
    rarest = int(splits.train.labels.bincount(minlength=splits.train.num_classes).min())
    if condition.initial.balanced and rarest < start // splits.train.num_classes:
        raise SuiteError(f"initial: {start} labels cannot be balanced: a class has {rarest} training examples")


def num_rounds(condition: Condition) -> int:
    """The number of trainings of a trial: one for each batch acquired, and the last."""
    return 1 + max(0, -((condition.initial.size - condition.budget) // condition.batch_size))


class Trial:
    """A trial, with its data on the device.

    Args:
        condition, trial: which one it is.
        splits: its data.
        device: where to compute.
        clock: ends it when it takes too long.

    Attributes:
        start: the indices of the start set.
    """

    def __init__(
        self, condition: Condition, trial: int, splits: Splits, device: torch.device, clock: Clock | None = None
    ) -> None:
        self._condition = condition
        self._clock = clock or Clock(TrialLimits())
        self._seeds = Seeds(condition.seed, trial)
        self._device = device
        train = splits.train.to(device)
        validation, self._candidates = draw_validation(condition, trial, splits)
        self._examples = TrialExamples(train, train.at(validation.to(device)), splits.test.to(device))
        self._is_candidate = torch.zeros(len(splits.train), dtype=torch.bool)
        self._is_candidate[self._candidates] = True
        self.start = draw_start(condition, trial, splits, self._candidates)

    def require_replayable(self, acquired: Sequence[object]) -> None:
        """Raise JournalError unless these are batches of distinct indices that this trial could have acquired."""
        left = set(self._candidates.tolist()) - set(self.start)
        for number, batch in enumerate(acquired):
            sound = isinstance(batch, list) and all(type(index) is int for index in batch)
            if not sound or len(set(batch)) < len(batch) or not left.issuperset(batch):  # type: ignore[arg-type, call-overload]
                raise JournalError(f"round {number}: acquired {shown(batch)}, which this trial cannot have done")
            left -= set(batch)  # type: ignore[call-overload]

    def rounds(self, acquired: Sequence[Sequence[int]]) -> Iterator[Round]:
        """Compute and yield each round after those whose acquired indices are given."""
        if acquired and not acquired[-1]:
            return  # the last round is among them
        labelled = [*self.start, *(index for batch in acquired for index in batch)]
        number = len(acquired)
        while True:
            line = self._clock.trial(functools.partial(self._round, number, labelled))
            yield line
            if not line.acquired:
                return
            labelled.extend(line.acquired)
            number += 1

    def _round(self, number: int, labelled: list[int]) -> Round:
        condition, given, stopwatch = self._condition, self._examples, Stopwatch(self._device)
        reset_peak_memory(self._device)
        examples = given.train.at(torch.tensor(labelled, device=self._device))
        with stopwatch.phase("train"), blame("model", condition.model):
            training = condition.regime
            generator = self._seeds.generator("training", number)
            fitted: FittedModel = BlamedModel(
                condition.model.instance.fit(examples, given.validation, training, self._device, generator),
                condition.model,
            )
        _require_epochs(fitted, condition.model)
        with stopwatch.phase("evaluate"), blame("model", condition.model):
            generator = self._seeds.generator("evaluation", number)
            log_probs_n_C = evaluation_log_probs(fitted, given.test.inputs, training.test_samples, training, generator)
            accuracy, nll = accuracy_and_nll(log_probs_n_C, given.test.labels)
            _require_number(nll)
        acquired: list[int] = []
        scores: list[float] = []
        warnings: list[str] = []
        if len(labelled) < condition.budget:
            batch, acquired = self._acquire(number, labelled, fitted, stopwatch)
            scores, warnings = batch.scores.double().tolist(), _warnings(batch, condition.acquisition.instance)
        return Round(
            round=number,
            labels=len(labelled),
            accuracy=accuracy,
            nll=nll if math.isfinite(nll) else None,
            epochs=fitted.epochs,
            best_epoch=fitted.best_epoch,
            acquired=acquired,
            scores=scores,
            seconds={**dict.fromkeys(PHASES, 0.0), **stopwatch.seconds},
            peak_bytes=peak_memory(self._device),
            warnings=warnings,
        )

    def _acquire(
        self, number: int, labelled: list[int], fitted: FittedModel, stopwatch: Stopwatch
    ) -> tuple[AcquiredBatch, list[int]]:
        """The batch, and its indices in the data set."""
        condition, acquisition = self._condition, self._condition.acquisition
        unlabelled = self._unlabelled(labelled)
        pools = RoundPools(condition, self._seeds, self._examples, number, labelled, unlabelled, fitted, stopwatch)
        pool = pools.pool()
        generator = self._seeds.generator("acquisition", number)
        select = functools.partial(acquisition.instance.select, pool, condition.batch_size, generator)
        with blame("acquisition function", acquisition):
            with stopwatch.phase("select"):
                returned = self._clock.selection(select)
            batch = require_sound_batch(returned, condition.batch_size, pool.size)
            return batch, pool.indices(batch.positions)

    def _unlabelled(self, labelled: list[int]) -> Tensor:
        unlabelled = self._is_candidate.clone()
        unlabelled[torch.tensor(labelled)] = False
        return unlabelled.nonzero().flatten()


def _require_epochs(fitted: FittedModel, model: Plugin[BayesianModel]) -> None:
    """Raise PluginFailed unless the model has 1 <= best_epoch <= epochs, where it counts epochs."""
    counted = {"best_epoch": fitted.best_epoch} | ({} if fitted.epochs is None else {"epochs": fitted.epochs})
    for name, value in counted.items():
        if type(value) is not int or value < 1:
            raise PluginFailed(f"model {model.label!r}: {name} is {value!r}; need a whole number from 1")
    if fitted.epochs is not None and fitted.best_epoch > fitted.epochs:
        raise PluginFailed(f"model {model.label!r}: best_epoch is {fitted.best_epoch} of {fitted.epochs} epochs")


def _require_number(nll: float) -> None:
    if math.isnan(nll):
        raise NumericalError("its NLL on the test set", "is NaN")


_EQUAL_SCORES = 1e-9  # nats, for BALD; scores that differ by no more are equal


def _warnings(batch: AcquiredBatch, acquisition: AcquisitionFunction) -> list[str]:
    """What a reader of the results should know of this batch.

    Equal scores are found in the batch alone, not in the pool, so that it works for every acquisition function. Scores
    within 1e-9 of each other count as equal: with identical posterior samples BALD differs from 0 only by rounding.
    """
    size = len(batch.scores)
    if not acquisition.ranks_points or size < 2 or _spread(batch) > _EQUAL_SCORES:
        return []
    return [f"all {size} scores of the acquired batch are equal"]


def _spread(batch: AcquiredBatch) -> float:
    scores_B = batch.scores.double()
    return float(scores_B.max() - scores_B.min())
