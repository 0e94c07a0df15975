"""The pools of a round: the pool under the model's posterior, with its targets and its evaluation posterior."""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from softal_bench.bayes.training import evaluation_log_probs
from softal_bench.contracts import Examples, FittedModel, Progress
from softal_bench.machine.stopwatch import Stopwatch
from softal_bench.pools import PosteriorPool, Predictor, TrialCandidates
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition


@dataclass(frozen=True)
class TrialExamples:
    """The examples of a trial, on its device. Pools read only the labels of the labelled set."""

    train: Examples
    validation: Examples
    test: Examples


@dataclass(frozen=True)
class RoundPools:
    """The pools of one round, after training.

    Attributes:
        condition: the condition of the trial.
        seeds: the seeds of the trial.
        examples: the examples of the trial.
        number: the number of the round.
        labelled: the indices of the labelled set.
        unlabelled: the indices of all other candidates, in increasing order.
        candidates: the candidates of the trial, with what its acquisition function has computed once.
        fitted: the model, trained on the labelled set.
        stopwatch: measures the phases of the round.
    """

    condition: Condition
    seeds: Seeds
    examples: TrialExamples
    number: int
    labelled: list[int]
    unlabelled: Tensor
    candidates: TrialCandidates
    fitted: FittedModel
    stopwatch: Stopwatch

    def pool(self) -> PosteriorPool:
        """Return the pool that is scored, under the model's posterior."""
        predictor = self._predictor(self.fitted, "posterior")
        return PosteriorPool(
            predictor,
            self.examples.train,
            self._scored_N,
            self._progress,
            self._needs,
            labelled_indices=self.labelled,
            candidates=self.candidates,
            evaluation=self._evaluation,
            targets=functools.partial(self._targets, predictor) if self.condition.target_set else None,
        )

    def _predictor(self, model: FittedModel, purpose: str) -> Predictor:
        masks = self.seeds.generator(purpose, self.number)
        draw = functools.partial(model.posterior, self.condition.posterior_samples, masks)
        return Predictor(model, draw, self.stopwatch)

    @property
    def _progress(self) -> Progress:
        return Progress(self.number, len(self.labelled), self.condition.budget, self.condition.batch_size)

    @property
    def _needs(self) -> frozenset[str]:
        return self.condition.acquisition.instance.needs

    @functools.cached_property
    def _scored_N(self) -> Tensor:
        """The indices of the scored points, on the device."""
        subset = self.condition.pool_subset
        scored_N = self.unlabelled if subset is None else self._drawn(self.unlabelled, subset, "pool subset")
        return scored_N.to(self.examples.train.inputs.device)

    def _targets(self, predictor: Predictor) -> PosteriorPool:
        """Return the target inputs, under the same posterior samples as the pool."""
        target_set = self.condition.target_set
        assert target_set is not None
        sources = {
            "pool": (self.examples.train, self.unlabelled),
            "validation": (self.examples.validation, torch.arange(len(self.examples.validation))),
            "test": (self.examples.test, torch.arange(len(self.examples.test))),
        }
        examples, indices = sources[target_set.of]
        indices_M = self._drawn(indices, target_set.size, "targets")
        return PosteriorPool(predictor, examples, indices_M.to(examples.inputs.device), self._progress, self._needs)

    def _evaluation(self) -> PosteriorPool:
        """Return the same pool under the evaluation posterior."""
        with self.stopwatch.phase("distil"):
            predictor = self._predictor(self._distilled(), "evaluation posterior")
        return PosteriorPool(
            predictor, self.examples.train, self._scored_N, self._progress, self._needs, labelled_indices=self.labelled
        )

    def _distilled(self) -> FittedModel:
        """Train a new model on the predictions of `fitted`. Its samples are the evaluation posterior.

        On the inputs of the labelled set and the pool, it learns the geometric mean of the predictions of
        `samples_in_training` posterior samples (4 in the paper). All inputs share these samples, because the paper says
        only for validation and test that samples were drawn anew for every mini-batch.
        """
        training, seeds = self.condition.regime, self.seeds
        labelled = torch.tensor(self.labelled, device=self._scored_N.device)
        inputs = self.examples.train.inputs[torch.cat([labelled, self._scored_N])]
        targets_N_C = evaluation_log_probs(
            self.fitted,
            inputs,
            training.samples_in_training,
            training.model_copy(update={"evaluation_mean": "geometric", "evaluation_batch_size": None}),
            seeds.generator("distillation targets", self.number),
        )
        generator = seeds.generator("distillation", self.number)
        return self.fitted.distil(inputs, targets_N_C, self.fitted.best_epoch, training, generator)

    def _drawn(self, indices: Tensor, size: int, purpose: str) -> Tensor:
        """Return `size` of the indices, drawn at random, in their original order; all indices if there are fewer."""
        if size >= len(indices):
            return indices
        chosen = torch.randperm(len(indices), generator=self.seeds.generator(purpose, self.number))[:size]
        return indices[chosen.sort().values]
