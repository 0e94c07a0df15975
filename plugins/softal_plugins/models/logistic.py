from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from softal_bench.bayes.laplace import LaplacePosterior, fit_laplace
from softal_bench.contracts import BayesianModel, Examples, FittedModel, Posterior, TrainingRegime
from softal_bench.errors import DataError


@dataclass(frozen=True)
class Logistic(BayesianModel):
    """Bayesian multinomial logistic regression on features, with a Laplace posterior; see `softal_bench.bayes.laplace`.

    The mode of the posterior is found by L-BFGS, and the prior precision by marginal likelihood, or it is given. The
    covariance is the inverse of the full Hessian up to 1500 weights, and of a Kronecker product above. It needs neither
    a validation set nor the training regime.
    """

    precision: float | None = field(
        default=None, metadata={"meaning": "prior precision of the weights; if null, it is fitted"}
    )

    offers = frozenset({"embeddings", "head", "distil"})
    citation = "MacKay 1992, The Evidence Framework Applied to Classification Networks; Daxberger et al. 2021"

    def __post_init__(self) -> None:
        if self.precision is not None and not 0 < self.precision < torch.inf:
            raise ValueError(f"precision is {self.precision}; it must be above 0 and finite")

    def fit(
        self,
        labelled: Examples,
        validation: Examples,
        training: TrainingRegime,
        device: torch.device,
        generator: torch.Generator,
    ) -> FittedModel:
        if labelled.inputs.ndim != 2:
            shape = tuple(labelled.inputs.shape[1:])
            raise DataError(f"logistic takes inputs that are vectors; this data set has shape {shape}")
        targets_L_C = functional.one_hot(labelled.labels, labelled.num_classes)
        return FittedLogistic(fit_laplace(labelled.inputs, targets_L_C, self.precision), self.precision, device)


class FittedLogistic(FittedModel):
    """A fitted logistic regression. The inputs are its embeddings."""

    def __init__(self, laplace: LaplacePosterior, precision: float | None, device: torch.device) -> None:
        self.laplace = laplace
        self._precision = precision
        self._device = device

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        return LinearPosterior(self.laplace.sample(num_samples, generator).float().to(self._device))

    def embeddings(self, inputs: Tensor) -> Tensor:
        return inputs

    def distil(
        self,
        inputs: Tensor,
        target_log_probs_N_C: Tensor,
        epochs: int,
        training: TrainingRegime,
        generator: torch.Generator,
    ) -> FittedModel:
        return FittedLogistic(
            fit_laplace(inputs, target_log_probs_N_C.double().softmax(dim=1), self._precision),
            self._precision,
            self._device,
        )


class LinearPosterior(Posterior):
    """K samples of the weights of a linear layer before a softmax.

    Args:
        weights_K_D_C: the weights, the last of D for the bias.
    """

    def __init__(self, weights_K_D_C: Tensor) -> None:
        self._shape = weights_K_D_C.shape[0], weights_K_D_C.shape[2]
        flat_D_KC = weights_K_D_C.permute(1, 0, 2).flatten(1)
        self._weights_D_KC, self._bias_KC = flat_D_KC[:-1].contiguous(), flat_D_KC[-1].contiguous()

    @property
    def num_samples(self) -> int:
        return self._shape[0]

    @torch.no_grad()
    def log_probs(self, inputs: Tensor) -> Tensor:
        logits_n_K_C = torch.addmm(self._bias_KC, inputs, self._weights_D_KC).view(len(inputs), *self._shape)
        return logits_n_K_C.log_softmax(dim=-1)

    def head(self, embeddings_n_D: Tensor) -> Tensor:
        return self.log_probs(embeddings_n_D)
