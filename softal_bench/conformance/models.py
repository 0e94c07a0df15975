"""The rules for Bayesian models, checked on a small problem of two linearly separable classes."""

from functools import cached_property

import torch
from torch import Tensor

from softal_bench.conformance.rules import (
    CPU,
    NotApplicable,
    Rule,
    require,
    require_global_generators_untouched,
    require_settings_untouched,
)
from softal_bench.contracts import BayesianModel, Examples, FittedModel, TrainingRegime
from softal_bench.errors import DataError
from softal_bench.machine.isolation import restored

_SAMPLES = 5
_LONG = TrainingRegime(batch_size=16, epoch_draws=320, max_epochs=10, patience=10, learning_rate=0.005)
_BRIEF = TrainingRegime(batch_size=16, epoch_draws=64, max_epochs=1)  # for rules that need a model, but not a good one
_SHAPES = ((12,), (1, 8, 8), (1, 28, 28), (3, 32, 32))
_SIZE = 64
_CHUNK = 7
_ACCURACY = 0.9
_DISTILLATION_EPOCHS = 10
_ROUNDING = 1e-4  # largest difference of float32 log-probs and embeddings that are computed in another order


class ToyProblem:
    """A model with 64 examples of two linearly separable classes, in the first input shape that the model accepts.

    Raises:
        NotApplicable: if a property needs a fit and the model accepts none of the shapes.
    """

    def __init__(self, model: BayesianModel, device: torch.device = CPU) -> None:
        self.model = model
        self.device = device

    @cached_property
    def examples(self) -> Examples:
        """The examples that the model was fitted to. The model may have changed them."""
        return self._first_fit[1]

    def untouched(self) -> Examples:
        """Return a new copy of the original examples."""
        return _separable(tuple(self.examples.inputs.shape[1:])).to(self.device)

    @cached_property
    def fitted(self) -> FittedModel:
        """The model after a few steps, which is shared by the rules that do not change it."""
        return self._first_fit[0]

    def fit(self, training: TrainingRegime = _BRIEF) -> FittedModel:
        """Fit the model again, with a generator of the same state."""
        return _fit(self.model, self.examples, training)

    def log_probs(self, fitted: FittedModel, seed: int = 0) -> Tensor:
        """Return log_probs_n_K_C of the examples under a posterior that is drawn with this seed."""
        return fitted.posterior(_SAMPLES, _generator(seed)).log_probs(self.examples.inputs)

    @cached_property
    def _first_fit(self) -> tuple[FittedModel, Examples]:
        refusals: list[Exception] = []
        for shape in _SHAPES:
            examples = _separable(shape).to(self.device)
            try:
                return _fit(self.model, examples, _BRIEF), examples
            except Exception as error:  # the model may accept one of the other shapes
                refusals.append(error)
        if all(isinstance(error, DataError) for error in refusals):
            reasons = "; ".join(map(str, refusals))
            raise NotApplicable(
                f"nothing was checked, because the model accepts none of the shapes {_SHAPES}: {reasons}"
            )
        raise next(error for error in refusals if not isinstance(error, DataError))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _fit(model: BayesianModel, examples: Examples, training: TrainingRegime) -> FittedModel:
    return model.fit(examples, examples, training.for_model(model), examples.inputs.device, _generator(0))


def _separable(shape: tuple[int, ...]) -> Examples:
    generator = _generator(0)
    labels = torch.arange(_SIZE) % 2
    direction = torch.randn(shape, generator=generator)
    inputs = 0.3 * torch.randn(_SIZE, *shape, generator=generator)
    return Examples(inputs + torch.where(labels == 0, -1.0, 1.0).view(-1, *[1] * len(shape)) * direction, labels, 2)


# Fitting


def _learns(toy: ToyProblem) -> None:
    predicted = toy.log_probs(toy.fit(_LONG)).exp().mean(dim=1).argmax(dim=-1)
    accuracy = (predicted == toy.examples.labels).float().mean().item()
    require(accuracy > _ACCURACY, f"expected a training accuracy above {_ACCURACY}, got {accuracy:.2f}")


def _repeatable(toy: ToyProblem) -> None:
    same = torch.equal(toy.log_probs(toy.fitted), toy.log_probs(toy.fit()))
    require(same, "two fits with generators of the same state predict differently")


def _global_generators(toy: ToyProblem) -> None:
    toy.examples  # noqa: B018 (fits the model once, so that only the next fit is watched)
    require_global_generators_untouched(toy.fit)


def _global_settings(toy: ToyProblem) -> None:
    with restored():
        toy.examples  # noqa: B018 (fits the model once, so that only the next fit and its prediction are watched)
    require_settings_untouched(lambda: toy.log_probs(toy.fit()))


def _unchanged_inputs(toy: ToyProblem) -> None:
    toy.log_probs(toy.fitted)
    given, before = toy.examples, toy.untouched()
    same = torch.equal(before.inputs, given.inputs) and torch.equal(before.labels, given.labels)
    require(same, "it changed its examples in place")


def _best_epoch(toy: ToyProblem) -> None:
    epoch = toy.fitted.best_epoch
    sound = isinstance(epoch, int) and 1 <= epoch <= _BRIEF.max_epochs
    require(sound, f"trained for {_BRIEF.max_epochs} epoch: expected best_epoch 1, got {epoch!r}")


def _distil(toy: ToyProblem) -> None:
    """Check that a model distilled from soft targets predicts them better than the mean of the targets does."""
    labels = toy.examples.labels
    targets_n_C = torch.stack([torch.where(labels == label, 0.9, 0.1) for label in range(2)], dim=1).log()
    try:
        distilled = toy.fitted.distil(toy.examples.inputs, targets_n_C, _DISTILLATION_EPOCHS, _LONG, _generator(0))
    except NotImplementedError as error:
        raise NotApplicable(str(error)) from error
    got = _divergence(targets_n_C, toy.log_probs(distilled).exp().mean(dim=1).log())
    mean_C = targets_n_C.exp().mean(dim=0).log()
    baseline = _divergence(targets_n_C, mean_C.expand_as(targets_n_C))
    require(
        got < baseline / 2,
        f"distilled for {_DISTILLATION_EPOCHS} epochs: expected a Kullback-Leibler divergence from the targets below "
        f"{baseline / 2:.3f} nats, which is half the divergence of their mean, got {got:.3f}",
    )


def _divergence(log_p_n_C: Tensor, log_q_n_C: Tensor) -> float:
    return (log_p_n_C.exp() * (log_p_n_C - log_q_n_C)).sum(dim=-1).mean().item()


# The posterior


def _num_samples(toy: ToyProblem) -> None:
    got = toy.fitted.posterior(_SAMPLES, _generator(0)).num_samples
    require(got == _SAMPLES, f"asked for a posterior of {_SAMPLES} samples: expected num_samples {_SAMPLES}, got {got}")


def _normalised(toy: ToyProblem) -> None:
    log_probs_n_K_C = toy.log_probs(toy.fitted)
    expected, got = (len(toy.examples), _SAMPLES, toy.examples.num_classes), tuple(log_probs_n_K_C.shape)
    require(got == expected, f"expected log-probs of shape {expected}, got {got}")
    worst = log_probs_n_K_C.double().logsumexp(dim=-1).abs().max().item()
    require(worst < 1e-5, f"expected probabilities that sum to 1, got a sum whose logarithm is {worst:.2g} from 0")


def _chunks(toy: ToyProblem) -> None:
    posterior = toy.fitted.posterior(_SAMPLES, _generator(0))
    whole = posterior.log_probs(toy.examples.inputs)
    parts = torch.cat([posterior.log_probs(inputs_n) for inputs_n in torch.split(toy.examples.inputs, _CHUNK)])
    difference = (whole - parts).abs().max().item()
    require(
        difference < _ROUNDING,
        f"the log-probs of {len(whole)} inputs in one chunk and in chunks of {_CHUNK} differ by {difference:.2g}",
    )


def _fixed_samples(toy: ToyProblem) -> None:
    posterior = toy.fitted.posterior(_SAMPLES, _generator(0))
    before = posterior.log_probs(toy.examples.inputs)
    toy.log_probs(toy.fitted, seed=1)
    same = torch.equal(before, posterior.log_probs(toy.examples.inputs))
    require(same, "the log-probs of a posterior changed after another posterior was drawn from the same model")


def _same_state(toy: ToyProblem) -> None:
    same = torch.equal(toy.log_probs(toy.fitted), toy.log_probs(toy.fitted))
    require(same, "two posteriors drawn with generators of the same state differ")


def _other_state(toy: ToyProblem) -> None:
    same = torch.equal(toy.log_probs(toy.fitted, seed=0), toy.log_probs(toy.fitted, seed=1))
    got = "the same posterior" if same else "different posteriors"
    declared = toy.fitted.stochastic_posterior
    require(
        same != declared,
        f"generators seeded with 0 and 1 gave {got}, but the fitted model declares stochastic_posterior = {declared}",
    )


def _samples_differ(toy: ToyProblem) -> None:
    log_probs_n_K_C = toy.log_probs(toy.fitted)
    spread = (log_probs_n_K_C - log_probs_n_K_C[:, :1]).abs().max().item()
    require(spread > 0, f"all {_SAMPLES} posterior samples make the same predictions")


def _embeddings(toy: ToyProblem) -> None:
    try:
        whole = toy.fitted.embeddings(toy.examples.inputs)
    except NotImplementedError as error:
        raise NotApplicable(str(error)) from error
    size = len(toy.examples)
    sound = whole.ndim == 2 and len(whole) == size and whole.is_floating_point() and bool(whole.isfinite().all())
    require(sound, f"expected finite embeddings of shape ({size}, D), got {whole.dtype} of shape {tuple(whole.shape)}")
    parts = torch.cat([toy.fitted.embeddings(inputs_n) for inputs_n in torch.split(toy.examples.inputs, _CHUNK)])
    difference = (whole - parts).abs().max().item()
    require(
        difference < _ROUNDING,
        f"the embeddings of {size} inputs in one chunk and in chunks of {_CHUNK} differ by {difference:.2g}",
    )


RULES: tuple[Rule[ToyProblem], ...] = (
    Rule("learns", "learns a separable problem", _learns),
    Rule("repeatable", "fits the same model with the same generator state", _repeatable),
    Rule("global_generators", "does not use a global random generator", _global_generators),
    Rule("global_settings", "does not change the settings of the process", _global_settings),
    Rule("unchanged_inputs", "does not change its examples", _unchanged_inputs),
    Rule("best_epoch", "reports the epoch of its weights", _best_epoch),
    Rule("distil", "fits soft targets, if it supports distillation", _distil),
    Rule("num_samples", "draws a posterior of as many samples as requested", _num_samples),
    Rule("normalised", "predicts normalised log-probs", _normalised),
    Rule("chunks", "uses the same posterior samples for all inputs and chunks", _chunks),
    Rule("fixed_samples", "keeps the samples of a posterior when another one is drawn", _fixed_samples),
    Rule("same_state", "draws the same posterior from the same generator state", _same_state),
    Rule(
        "other_state",
        "draws another posterior from another generator state, if and only if it is declared stochastic",
        _other_state,
    ),
    Rule("samples_differ", "draws posterior samples that differ", _samples_differ),
    Rule("embeddings", "returns one finite embedding per input for any chunking, if it offers embeddings", _embeddings),
)
