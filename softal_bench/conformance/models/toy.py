"""A model with the toy problem that it is checked on."""

from functools import cached_property

import torch
from torch import Tensor

from softal_bench.conformance.rules import NotApplicable
from softal_bench.contracts import BayesianModel, Examples, FittedModel, TrainingRegime
from softal_bench.errors import DataError

SAMPLES = 5
LONG = TrainingRegime(batch_size=16, epoch_draws=320, max_epochs=10, patience=10, learning_rate=0.005)
BRIEF = TrainingRegime(batch_size=16, epoch_draws=64, max_epochs=1)  # where it does not matter how well it learns
_SHAPES = ((12,), (1, 8, 8), (1, 28, 28), (3, 32, 32))
_SIZE = 64


class Toy:
    """Two classes that a line separates, in the first shape of inputs that the model takes.

    Raises:
        NotApplicable: where a property needs a fit and the model takes none of the shapes.
    """

    def __init__(self, model: BayesianModel) -> None:
        self.model = model

    @cached_property
    def examples(self) -> Examples:
        """64 examples."""
        return self._first_fit[1]

    def untouched(self) -> Examples:
        """The same examples, as no model has seen them."""
        return _separable(tuple(self.examples.inputs.shape[1:]))

    @cached_property
    def fitted(self) -> FittedModel:
        """The model after a few steps; checks that only read share it."""
        return self._first_fit[0]

    def fit(self, training: TrainingRegime = BRIEF) -> FittedModel:
        """Another fit, with a generator of the same state."""
        return _fit(self.model, self.examples, training)

    def log_probs(self, fitted: FittedModel, seed: int = 0) -> Tensor:
        """log_probs_n_K_C of the examples under a posterior drawn with this seed."""
        return fitted.posterior(SAMPLES, generator(seed)).log_probs(self.examples.inputs)

    @cached_property
    def _first_fit(self) -> tuple[FittedModel, Examples]:
        refusals: list[Exception] = []
        for shape in _SHAPES:
            examples = _separable(shape)
            try:
                return _fit(self.model, examples, BRIEF), examples
            except Exception as error:  # a refusal, if it takes another shape
                refusals.append(error)
        if all(isinstance(error, DataError) for error in refusals):
            told = "; ".join(map(str, refusals))
            raise NotApplicable(f"nothing was checked, for it takes none of the shapes {_SHAPES}: {told}")
        raise next(error for error in refusals if not isinstance(error, DataError))


def generator(seed: int) -> torch.Generator:
    """A CPU generator of this seed."""
    return torch.Generator().manual_seed(seed)


def _fit(model: BayesianModel, examples: Examples, training: TrainingRegime) -> FittedModel:
    return model.fit(examples, examples, training.for_model(model), torch.device("cpu"), generator(0))


def _separable(shape: tuple[int, ...]) -> Examples:
    chance = generator(0)
    labels = torch.arange(_SIZE) % 2
    direction = torch.randn(shape, generator=chance)
    inputs = 0.3 * torch.randn(_SIZE, *shape, generator=chance)
    return Examples(inputs + torch.where(labels == 0, -1.0, 1.0).view(-1, *[1] * len(shape)) * direction, labels, 2)
