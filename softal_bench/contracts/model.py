"""The contract of a Bayesian model: fit it, draw posterior samples, and predict log-probs with them."""

from abc import ABC, abstractmethod
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError
from torch import Tensor

from softal_bench.contracts.dataset import Examples

EVALUATION_SAMPLES = 100  # the default number of posterior samples of a test prediction; enough for MC dropout
Count = Annotated[int, Field(ge=1)]


def _in_one_message(value: object, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        return check(value)
    except ValidationError as error:
        raise PydanticCustomError("patience", "need a whole number from 1, or a list of them") from error


Patience = Annotated[Count | Annotated[list[Count], Field(min_length=1)], WrapValidator(_in_one_message)]


class TrainingRegime(BaseModel):
    """How a model is trained, from scratch, after every acquisition. The defaults are those of the paper's Table 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    batch_size: int = Field(64, ge=1, description="Number of examples in a gradient step.")
    epoch_draws: int = Field(
        24576,
        ge=1,
        description="Number of examples drawn in an epoch: the labelled points repeated about equally often, shuffled.",
    )
    max_epochs: int = Field(10, ge=1, description="Maximum number of epochs.")
    patience: Patience = Field(
        3,
        description="Stop after this many epochs without a better validation result. In a list, each number except "
        "the last lowers the learning rate instead: [6, 4, 2] lowers it after 6 epochs, lowers it again after 4 more, "
        "and stops after 2 more.",
    )
    monitor: Literal["nll", "accuracy"] = Field(
        "nll", description="Validation metric that decides which epoch is better."
    )
    learning_rate: float = Field(1e-3, gt=0, description="Adam's learning rate.")
    learning_rate_decay: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Factor that multiplies the learning rate at each patience except the last; 0.1 if absent.",
    )
    augmentation: Literal["crop_and_flip"] | None = Field(
        None, description="crop_and_flip shifts training images by up to 4 pixels and mirrors half of them."
    )
    weight_decay: float = Field(5e-4, ge=0, description="Adam's coupled L2 penalty.")
    evaluation_samples: int | None = Field(
        None,
        ge=1,
        description="Number of posterior samples of a test prediction. If absent, the model declares it: all members "
        "of an ensemble, 100 for MC dropout.",
    )
    validation_samples: int | None = Field(
        None,
        ge=1,
        description="Number of posterior samples of a validation prediction and of the targets of a distillation. If "
        "absent, evaluation_samples.",
    )
    evaluation_batch_size: int | None = Field(
        None,
        ge=1,
        description="Number of inputs of a validation or test prediction that share posterior samples. The next inputs "
        "share new samples, so that sampling errors average out. If absent, all inputs share the same samples.",
    )
    evaluation_mean: Literal["geometric", "arithmetic"] = Field(
        "geometric",
        description="How these samples are averaged: mean of log-probs, or logarithm of the mean of probs.",
    )

    def for_model(self, model: "BayesianModel") -> "TrainingRegime":
        """Return the regime with the model's number of evaluation samples if it does not set its own.

        Raises:
            ValueError: if the model's number is not an integer of at least 1.
        """
        if self.evaluation_samples is not None:
            return self
        samples = model.evaluation_samples
        if type(samples) is not int or samples < 1:
            raise ValueError(f"evaluation_samples is {samples!r}; need a whole number from 1")
        return self.model_copy(update={"evaluation_samples": samples})

    @property
    def test_samples(self) -> int:
        """K, the number of posterior samples of a test prediction."""
        return EVALUATION_SAMPLES if self.evaluation_samples is None else self.evaluation_samples

    @property
    def samples_in_training(self) -> int:
        """K, the number of posterior samples of a validation prediction and of the targets of a distillation."""
        return self.test_samples if self.validation_samples is None else self.validation_samples

    @property
    def patiences(self) -> list[int]:
        """`patience` as a list."""
        return [self.patience] if isinstance(self.patience, int) else self.patience

    @property
    def decay(self) -> float:
        """The factor that multiplies the learning rate at each patience except the last."""
        return 0.1 if self.learning_rate_decay is None else self.learning_rate_decay


class Posterior(ABC):
    """K samples of the weights. They do not change during the lifetime of the object."""

    @property
    @abstractmethod
    def num_samples(self) -> int:
        """K, the number of posterior samples."""

    @abstractmethod
    def log_probs(self, inputs: Tensor) -> Tensor:
        """Return log_probs_n_K_C for inputs [n, ...], the natural logarithms of p(y=c | x_n, w_k).

        The result for an input does not depend on the other inputs in the chunk.
        """

    def head(self, embeddings_n_D: Tensor) -> Tensor:
        """Return log_probs_n_K_C of embeddings: the model from its last hidden layer on, under the same K samples.

        Raises:
            NotImplementedError: if the model offers no head.
        """
        raise NotImplementedError(f"{type(self).__name__} offers no head")


class FittedModel(ABC):
    """A trained model, on the device of the examples that it was fitted to.

    Attributes:
        epochs: the number of epochs of its training; None if it is not trained in epochs or does not count them.
        best_epoch: the epoch, counted from 1, whose weights were kept. A distillation runs as many epochs.
        stochastic_posterior: whether the posterior depends on the state of the generator. False if the samples are
            fixed members or snapshots.
    """

    epochs: int | None = None
    best_epoch: int = 1
    stochastic_posterior: bool = True

    @abstractmethod
    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        """Draw K = `num_samples` posterior samples with the generator (CPU)."""

    def embeddings(self, inputs: Tensor) -> Tensor:
        """Return embeddings_n_D of inputs [n, ...]: the last hidden layer without dropout.

        Raises:
            NotImplementedError: if the model offers no embeddings.
        """
        raise NotImplementedError(f"{type(self).__name__} offers no embeddings")

    def distil(
        self,
        inputs: Tensor,
        target_log_probs_N_C: Tensor,
        epochs: int,
        training: TrainingRegime,
        generator: torch.Generator,
    ) -> "FittedModel":
        """Fit a newly initialised copy of the model to soft targets. The EPIG family acquires with such a copy.

        Args:
            inputs: Tensor [N, ...].
            target_log_probs_N_C: natural logarithms of the target probabilities.
            epochs: the number of passes over all inputs.
            training: the regime of the training.
            generator: the only source of randomness; a CPU generator.

        Raises:
            NotImplementedError: if the model cannot be distilled.
        """
        raise NotImplementedError(f"{type(self).__name__} cannot be distilled")


class BayesianModel(ABC):
    """The specification of a model. Subclasses are frozen dataclasses whose fields are their parameters in YAML.

    Attributes:
        citation: the publication that describes the model.
        offers: what its fitted models implement, any of "embeddings", "head" and "distil"; None if that is not known.
            A suite is refused if an acquisition function needs what its model does not offer.
        revision: increased by one when a change alters results.
    """

    citation: ClassVar[str] = ""
    offers: ClassVar[frozenset[str] | None] = None
    revision: ClassVar[int] = 1

    @property
    def evaluation_samples(self) -> int:
        """The number of posterior samples of a test prediction if the suite does not set one.

        All members of an ensemble; enough masks for MC dropout.
        """
        return EVALUATION_SAMPLES

    @abstractmethod
    def fit(
        self,
        labelled: Examples,
        validation: Examples,
        training: TrainingRegime,
        device: torch.device,
        generator: torch.Generator,
    ) -> FittedModel:
        """Train a newly initialised model on the labelled set.

        Args:
            labelled: the training examples.
            validation: the examples that decide when training stops.
            training: the regime of the training.
            device: the device of the fitted model.
            generator: the only source of randomness (weights, order of examples, dropout); a CPU generator.

        Raises:
            DataError: if the model does not accept inputs of this shape.
        """
