"""One trial: in each round, train from scratch, evaluate and acquire, until the budget is reached.

The state of a trial is its list of acquired indices, so it can resume after any rounds whose indices are known.
"""

import functools
import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from softal_bench.bayes.training import accuracy_and_nll, evaluation_log_probs
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, BayesianModel, Examples, FittedModel, Splits
from softal_bench.contracts.acquisition import require_sound_batch
from softal_bench.errors import JournalError, NumericalError, shown
from softal_bench.journal.lines import Round
from softal_bench.machine.isolation import restored
from softal_bench.machine.memory import prediction_chunk
from softal_bench.machine.stopwatch import Stopwatch, peak_memory, reset_peak_memory, synchronise
from softal_bench.pools import TrialCandidates
from softal_bench.registry import Plugin
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition, TrialLimits
from softal_bench.trial.attribution import AttributedModel, PluginFailed, attributed_to
from softal_bench.trial.deadlines import Clock
from softal_bench.trial.partition import draw_start, draw_validation
from softal_bench.trial.round_pools import RoundPools, TrialExamples

PHASES = ("train", "predict", "select", "evaluate")


class Trial:
    """A trial, with its data on the device.

    Args:
        condition, trial: the condition and the number of the trial.
        splits: the data of the trial.
        device: where to compute.
        clock: ends the trial if it exceeds its time limits; None for no limits.

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

    def require_replayable(self, acquired: Sequence[Sequence[int]]) -> None:
        """Raise JournalError unless this trial can have acquired these batches in its first rounds."""
        left = set(self._candidates.tolist()) - set(self.start)
        labelled = len(self.start)
        for number, batch in enumerate(acquired):
            size = self._condition.batch_size if labelled < self._condition.budget else 0
            if len(batch) != size:
                raise JournalError(f"round {number}: acquired {len(batch)} points, expected {size}")
            if len(set(batch)) < len(batch) or not left.issuperset(batch):
                raise JournalError(f"round {number}: acquired {shown(batch)}, which this trial cannot have acquired")
            left -= set(batch)
            labelled += len(batch)

    def rounds(self, acquired: Sequence[Sequence[int]]) -> Iterator[Round]:
        """Compute and yield each round after those whose acquired indices are given."""
        if acquired and not acquired[-1]:
            return  # the given rounds include the last one, which acquires nothing
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
        with attributed_to("model", condition.model), stopwatch.phase("train"):
            training = condition.regime
            generator = self._seeds.generator("training", number)
            fitted: FittedModel = AttributedModel(
                condition.model.instance.fit(examples, given.validation, training, self._device, generator),
                condition.model,
            )
        _require_epochs(fitted, condition.model)
        with attributed_to("model", condition.model), stopwatch.phase("evaluate"):
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
        """Return the batch and its indices in the data set."""
        condition, acquisition = self._condition, self._condition.acquisition
        unlabelled = self._unlabelled(labelled)
        pools = RoundPools(
            condition,
            self._seeds,
            self._examples,
            number,
            labelled,
            unlabelled,
            self._kept_candidates,
            fitted,
            stopwatch,
        )
        pool = pools.pool()
        generator = self._seeds.generator("acquisition", number)
        select = functools.partial(acquisition.instance.select, pool, condition.batch_size, generator)
        with attributed_to("acquisition function", acquisition):
            with stopwatch.phase("select"):
                returned = self._clock.selection(select)
            batch = require_sound_batch(returned, condition.batch_size, pool.size)
            return batch, pool.indices(batch.positions)

    @functools.cached_property
    def _kept_candidates(self) -> TrialCandidates:
        """The candidates of the trial, with what the acquisition function has computed once."""
        with attributed_to("acquisition function", self._condition.acquisition):
            needs = self._condition.acquisition.instance.needs
        train = self._examples.train
        return TrialCandidates(train, self._candidates.to(train.inputs.device), needs, self._seeds.generator)

    def _unlabelled(self, labelled: list[int]) -> Tensor:
        unlabelled = self._is_candidate.clone()
        unlabelled[torch.tensor(labelled)] = False
        return unlabelled.nonzero().flatten()


def _require_epochs(fitted: FittedModel, model: Plugin[BayesianModel]) -> None:
    """Raise PluginFailed unless 1 <= best_epoch <= epochs; `epochs` is None if the model does not count epochs."""
    counted = {"best_epoch": fitted.best_epoch} | ({} if fitted.epochs is None else {"epochs": fitted.epochs})
    for name, value in counted.items():
        if type(value) is not int or value < 1:
            raise PluginFailed(f"model {model.label!r}: {name} is {value!r}; it must be a whole number, at least 1")
    if fitted.epochs is not None and fitted.best_epoch > fitted.epochs:
        raise PluginFailed(
            f"model {model.label!r}: best_epoch is {fitted.best_epoch}, larger than epochs, {fitted.epochs}"
        )


def _require_number(nll: float) -> None:
    if math.isnan(nll):
        raise NumericalError("its NLL on the test set", "is NaN")


_EQUAL_SCORES = 1e-9  # in nats for BALD


def _warnings(batch: AcquiredBatch, acquisition: AcquisitionFunction) -> list[str]:
    """Return warnings about this batch for readers of the results.

    Only the scores of the batch are compared, not those of the pool, so that this works for every acquisition function.
    Scores within 1e-9 of each other count as equal, because rounding keeps BALD from being exactly 0 when all posterior
    samples are identical.
    """
    size = len(batch.scores)
    if not acquisition.ranks_points or size < 2 or _spread(batch) > _EQUAL_SCORES:
        return []
    return [f"all {size} scores of the acquired batch are equal"]


def _spread(batch: AcquiredBatch) -> float:
    scores_B = batch.scores.double()
    return float(scores_B.max() - scores_B.min())


def warm_up(condition: Condition, splits: Splits, device: torch.device) -> None:
    """Run a small round before the first timed one: a training step, an evaluation, and a prediction of one chunk.

    Libraries choose algorithms, load kernels, start threads and reserve memory at the first call with each size, and
    this time must not count for a round. The warm-up therefore uses the sizes of a round: the training batch, the chunk
    of the pool, and the numbers of posterior samples.

    The warm-up has its own generators and restores all global state. Errors are ignored, because the trial raises and
    reports them.
    """
    with restored():
        try:
            _small_round(condition, splits, device)
        except (Exception, SystemExit):
            return


def _small_round(condition: Condition, splits: Splits, device: torch.device) -> None:
    training, chunk = condition.regime, prediction_chunk(device)
    one_step = training.model_copy(update={"epoch_draws": training.batch_size, "max_epochs": 1})
    labelled = _first(splits.train, condition.initial.size, device)
    validation = _first(splits.train, min(chunk, max(1, condition.validation_size)), device)
    fitted = condition.model.instance.fit(labelled, validation, one_step, device, torch.Generator())
    tested = _first(splits.test, chunk, device)
    evaluation_log_probs(fitted, tested.inputs, training.test_samples, training, torch.Generator())
    posterior = fitted.posterior(condition.posterior_samples, torch.Generator())
    posterior.log_probs(_first(splits.train, chunk, device).inputs)
    synchronise(device)


def _first(examples: Examples, count: int, device: torch.device) -> Examples:
    return examples.at(torch.arange(min(count, len(examples)))).to(device)
