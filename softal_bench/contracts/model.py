"""The contract of a Bayesian model: fit it, draw a posterior, read log-probs."""

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

EVALUATION_SAMPLES = 100  # of a model that does not say how many it needs; enough for MC dropout
Count = Annotated[int, Field(ge=1)]


def _told_as_one(value: object, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        return check(value)
    except ValidationError as error:
        raise PydanticCustomError("patience", "need a whole number from 1, or a list of them") from error


Patience = Annotated[Count | Annotated[list[Count], Field(min_length=1)], WrapValidator(_told_as_one)]


class TrainingRegime(BaseModel):
    """How a model is trained, from scratch, after every acquisition. The defaults are those of the paper's Table 1."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    batch_size: int = Field(64, ge=1, description="Examples in a gradient step.")
    epoch_draws: int = Field(
        24576,
        ge=1,
        description="Examples drawn in an epoch: near-equal repeats of the labelled points, shuffled.",
    )
    max_epochs: int = Field(10, ge=1, description="Epochs at most.")
    patience: Patience = Field(
        3,
        description="Stop after this many epochs without a better validation result. Of a list, each number but the "
        "last lowers the learning rate in place of stopping: [6, 4, 2] lowers it after 6, again after 4 more, and "
        "stops after 2 more.",
    )
    monitor: Literal["nll", "accuracy"] = Field("nll", description="What the validation set is watched for.")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's learning rate.")
    learning_rate_decay: float | None = Field(
        None, gt=0, lt=1, description="What a patience but the last multiplies the learning rate by; 0.1 if absent."
    )
    augmentation: Literal["crop_and_flip"] | None = Field(
        None, description="crop_and_flip shifts training images by up to 4 pixels and mirrors half of them."
    )
    weight_decay: float = Field(5e-4, ge=0, description="Adam's coupled L2 penalty.")
    evaluation_samples: int | None = Field(
        None,
        ge=1,
        description="Posterior samples of a test prediction. If absent, the model's own number: all members of an "
        "ensemble, 100 for MC dropout.",
    )
    validation_samples: int | None = Field(
        None,
        ge=1,
        description="Posterior samples of a validation prediction, and of the targets of a distillation; as many as "
        "evaluation_samples if absent.",
    )
    evaluation_batch_size: int | None = Field(
        None,
        ge=1,
        description="Number of inputs of a validation or test prediction that share posterior samples; the next ones "
        "share new samples, so that the error of drawing averages out. If absent, all inputs share one draw.",
    )
    evaluation_mean: Literal["geometric", "arithmetic"] = Field(
        "geometric",
        description="How these samples are averaged: mean of log-probs, or log of the mean of probs.",
    )

    def for_model(self, model: "BayesianModel") -> "TrainingRegime":
        """The same regime, with the model's own number of evaluation samples where it has none.

        Raises:
            ValueError: if the model's number is not a whole number from 1.
        """
        if self.evaluation_samples is not None:
            return self
        samples = model.evaluation_samples
        if type(samples) is not int or samples < 1:
            raise ValueError(f"evaluation_samples is {samples!r}; need a whole number from 1")
        return self.model_copy(update={"evaluation_samples": samples})

    @property
    def test_samples(self) -> int:
        """K of a test prediction."""
        return EVALUATION_SAMPLES if self.evaluation_samples is None else self.evaluation_samples

    @property
    def samples_in_training(self) -> int:
        """K of a validation prediction and of the targets of a distillation."""
        return self.test_samples if self.validation_samples is None else self.validation_samples

    @property
    def patiences(self) -> list[int]:
        """`patience` as a list."""
        return [self.patience] if isinstance(self.patience, int) else self.patience

    @property
    def decay(self) -> float:
        """What the learning rate is multiplied by at each patience but the last."""
        return 0.1 if self.learning_rate_decay is None else self.learning_rate_decay


class Posterior(ABC):
    """K samples of the weights, fixed for the life of this object."""

    @property
    @abstractmethod
    def num_samples(self) -> int:
        """K."""

    @abstractmethod
    def log_probs(self, inputs: Tensor) -> Tensor:
        """Return log_probs_n_K_C for inputs [n, ...]. However the inputs are chunked, an input's result is the same."""


class FittedModel(ABC):
    """A trained model, on the device of the examples that it was fitted to.

    Attributes:
        epochs: how many epochs its training ran; None if it is not trained in epochs, or does not count them.
        best_epoch: the epoch whose weights it has, from 1; its distillation takes as many epochs.
        stochastic_posterior: whether another generator state can give another posterior; not so where the samples are
            members or snapshots that are always the same.
    """

    epochs: int | None = None
    best_epoch: int = 1
    stochastic_posterior: bool = True

    @abstractmethod
    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        """Draw K posterior samples with the generator (CPU)."""

    def embeddings(self, inputs: Tensor) -> Tensor:
        """Return embeddings_n_D of inputs [n, ...]: the last hidden layer without dropout."""
        raise NotImplementedError(f"{type(self).__name__} offers no embeddings")

    def distil(
        self,
        inputs: Tensor,
        target_log_probs_N_C: Tensor,
        epochs: int,
        training: TrainingRegime,
        generator: torch.Generator,
    ) -> "FittedModel":
        """Fit a fresh copy of the model to soft targets, one pass over all inputs an epoch (see the EPIG family)."""
        raise NotImplementedError(f"{type(self).__name__} cannot be distilled")


class BayesianModel(ABC):
    """The specification of a model. Subclasses are frozen dataclasses whose fields are their parameters in YAML.

    Attributes:
        citation: where the model comes from.
        revision: raised by one when a change alters results.
    """

    citation: ClassVar[str] = ""
    revision: ClassVar[int] = 1

    @property
    def evaluation_samples(self) -> int:
        """How many posterior samples a test prediction needs, where a suite does not say: all members of an ensemble,
        enough masks for MC dropout."""
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
        """Train from fresh weights on the labelled set, watching the validation set as `training` says.

        Weights, order of examples and dropout follow from the generator (CPU) alone.

        Raises:
            DataError: if it does not take inputs of this shape.
        """
