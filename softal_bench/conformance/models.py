"""What every Bayesian model keeps to, checked on a toy problem that a line separates."""

import torch

from softal_bench.conformance.result import Result, require, run_checks
from softal_bench.contracts import BayesianModel, Examples, FittedModel, TrainingRegime
from softal_bench.errors import DataError

_SHAPES = ((12,), (1, 8, 8), (1, 28, 28), (3, 32, 32))
_LONG = TrainingRegime(batch_size=16, epoch_draws=320, max_epochs=10, patience=10, learning_rate=0.005)
_BRIEF = TrainingRegime(batch_size=16, epoch_draws=64, max_epochs=1)  # where it does not matter how well it learns


def check_model(model: BayesianModel) -> list[Result]:
    """Check a model; one result a rule. It is fitted anew to 64 examples for each, all but once for a few steps.

    A model that takes none of the shapes of inputs tried here cannot be checked; the one result says so.
    """
    try:
        _fit(model)
    except DataError as error:
        return [Result("takes inputs", "skipped", str(error))]
    except (Exception, SystemExit) as error:
        return [Result("fits", "failed", f"raised {type(error).__name__}: {error}")]
    return run_checks(
        {
            "learns a separable problem": _learns,
            "log-probs are normalised": _is_normalised,
            "a posterior's samples are the same for all inputs and chunks": _is_consistent,
            "another generator state gives another posterior": _varies,
            "the same generator state gives the same model": _repeats,
            "touches no global generator": _leaves_global_generator,
        },
        model,
    )


def _learns(model: BayesianModel) -> None:
    fitted, examples = _fit(model, _LONG)
    predicted = _log_probs(fitted, examples).exp().mean(dim=1).argmax(dim=-1)
    accuracy = (predicted == examples.labels).float().mean().item()
    require(accuracy > 0.9, f"expected more than 0.9 of the training labels right, got {accuracy:.2f}")


def _is_normalised(model: BayesianModel) -> None:
    fitted, examples = _fit(model)
    log_probs_n_K_C = _log_probs(fitted, examples)
    expected = (len(examples), 5, examples.num_classes)
    require(log_probs_n_K_C.shape == expected, f"expected shape {expected}, got {tuple(log_probs_n_K_C.shape)}")
    worst = log_probs_n_K_C.double().logsumexp(dim=-1).abs().max().item()
    require(
        worst < 1e-5,
        f"expected log-probs whose exponentials sum to 1, got a logarithm of the sum of {worst:.2g}",
    )


def _is_consistent(model: BayesianModel) -> None:
    fitted, examples = _fit(model)
    posterior = fitted.posterior(5, torch.Generator().manual_seed(0))
    whole = posterior.log_probs(examples.inputs)
    parts = torch.cat([posterior.log_probs(inputs_n) for inputs_n in torch.split(examples.inputs, 7)])
    difference = (whole - parts).abs().max().item()
    require(difference < 1e-4, f"64 inputs at once and in chunks of 7 differ by {difference:.2g} in log-probs")


def _varies(model: BayesianModel) -> None:
    fitted, examples = _fit(model)
    first, second = _log_probs(fitted, examples, seed=0), _log_probs(fitted, examples, seed=1)
    require(not torch.equal(first, second), "generators seeded with 0 and 1 gave the same posterior")


def _repeats(model: BayesianModel) -> None:
    (first, examples), (second, _) = _fit(model), _fit(model)
    same = torch.equal(_log_probs(first, examples), _log_probs(second, examples))
    require(same, "two fits with generators of the same state predict differently")


def _leaves_global_generator(model: BayesianModel) -> None:
    before = torch.get_rng_state()
    _fit(model)
    require(torch.equal(before, torch.get_rng_state()), "torch's global generator is left in another state")


def _fit(model: BayesianModel, training: TrainingRegime = _BRIEF) -> tuple[FittedModel, Examples]:
    """The model fitted to two classes, in the first shape of inputs that it takes."""
    refusals = []
    for shape in _SHAPES:
        examples = _separable(shape)
        try:
            generator = torch.Generator().manual_seed(0)
            return model.fit(examples, examples, training, torch.device("cpu"), generator), examples
        except DataError as error:
            refusals.append(str(error))
    raise DataError(f"none of the shapes {_SHAPES} is taken: {'; '.join(refusals)}")


def _separable(shape: tuple[int, ...]) -> Examples:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(64) % 2
    direction = torch.randn(shape, generator=generator)
    inputs = 0.3 * torch.randn(64, *shape, generator=generator)
    return Examples(inputs + torch.where(labels == 0, -1.0, 1.0).view(-1, *[1] * len(shape)) * direction, labels, 2)


def _log_probs(fitted: FittedModel, examples: Examples, seed: int = 0) -> torch.Tensor:
    return fitted.posterior(5, torch.Generator().manual_seed(seed)).log_probs(examples.inputs)
