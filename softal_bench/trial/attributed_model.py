"""A model whose every failure is told as its own, wherever it shows: also inside an acquisition function."""

import torch
from torch import Tensor

from softal_bench.contracts import BayesianModel, FittedModel, Posterior, TrainingRegime
from softal_bench.machine.settings import FREQUENT
from softal_bench.registry import Plugin
from softal_bench.trial.attribution import blame
from softal_bench.trial.predictions import require_log_probs


class BlamedModel(FittedModel):
    """A fitted model; what it raises becomes PluginFailed with the plugin's name."""

    def __init__(self, fitted: FittedModel, plugin: Plugin[BayesianModel]) -> None:
        self.epochs = fitted.epochs
        self.best_epoch = fitted.best_epoch
        self.stochastic_posterior = fitted.stochastic_posterior
        self._fitted = fitted
        self._plugin = plugin

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        with blame("model", self._plugin):
            return _BlamedPosterior(self._fitted.posterior(num_samples, generator), self._plugin)

    def embeddings(self, inputs: Tensor) -> Tensor:
        with blame("model", self._plugin, FREQUENT):
            return self._fitted.embeddings(inputs)

    def distil(
        self,
        inputs: Tensor,
        target_log_probs_N_C: Tensor,
        epochs: int,
        training: TrainingRegime,
        generator: torch.Generator,
    ) -> FittedModel:
        with blame("model", self._plugin):
            distilled = self._fitted.distil(inputs, target_log_probs_N_C, epochs, training, generator)
            return BlamedModel(distilled, self._plugin)


class _BlamedPosterior(Posterior):
    def __init__(self, posterior: Posterior, plugin: Plugin[BayesianModel]) -> None:
        self._posterior = posterior
        self._plugin = plugin

    @property
    def num_samples(self) -> int:
        return self._posterior.num_samples

    def log_probs(self, inputs: Tensor) -> Tensor:
        with blame("model", self._plugin, FREQUENT):
            log_probs_n_K_C = self._posterior.log_probs(inputs)
        require_log_probs(log_probs_n_K_C, f"model {self._plugin.label!r}")
        return log_probs_n_K_C
