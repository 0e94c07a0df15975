"""The base of the built-in models with MC dropout."""

from abc import abstractmethod

import torch
from torch import nn

from softal_bench.bayes.training import fit_mc_dropout
from softal_bench.contracts import BayesianModel, Examples, FittedModel, TrainingRegime
from softal_bench.errors import DataError


class MCDropoutModel(BayesianModel):
    """A network with dropout layers whose masks are the posterior samples; see `softal_bench.bayes.mc_dropout`.

    A subclass has the field `dropout` and builds the network. `fit_mc_dropout` trains it from scratch.

    Raises:
        ValueError: if dropout is not between 0 and 1, both excluded.
    """

    dropout: float

    offers = frozenset({"embeddings", "head", "distil"})

    def __post_init__(self) -> None:
        if not 0 < self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; it must be above 0 and below 1")

    @abstractmethod
    def network(self, num_classes: int, shape: tuple[int, ...]) -> nn.Sequential:
        """Build the network for inputs of this shape, ending in log-probs of C classes.

        Its weights are new: they have the default initialisation of torch, drawn from the global generator.

        Raises:
            DataError: if the model does not accept inputs of this shape.
        """

    def fit(
        self,
        labelled: Examples,
        validation: Examples,
        training: TrainingRegime,
        device: torch.device,
        generator: torch.Generator,
    ) -> FittedModel:
        num_classes, shape = labelled.num_classes, tuple(labelled.inputs.shape[1:])
        return fit_mc_dropout(
            lambda: self.network(num_classes, shape), labelled, validation, training, device, generator
        )


def require_shape(model: str, shape: tuple[int, ...], given: tuple[int, ...]) -> None:
    """Raise DataError unless each input has the shape that the model accepts."""
    if given != shape:
        raise DataError(f"{model} takes inputs of shape {shape}; this data set has {given}")
