"""Fitting: it learns, from the generator that is given alone, and leaves everything else as it was."""

import torch
from torch import Tensor

from softal_bench.conformance.models.toy import BRIEF, LONG, Toy, generator
from softal_bench.conformance.rules import (
    NotApplicable,
    Rule,
    require,
    require_global_generators_untouched,
    require_settings_untouched,
)
from softal_bench.contracts import FittedModel
from softal_bench.machine.isolation import restored

_ACCURACY = 0.9
_EPOCHS = 10


def _learns(toy: Toy) -> None:
    predicted = toy.log_probs(toy.fit(LONG)).exp().mean(dim=1).argmax(dim=-1)
    accuracy = (predicted == toy.examples.labels).float().mean().item()
    require(accuracy > _ACCURACY, f"expected more than {_ACCURACY} of the training labels right, got {accuracy:.2f}")


def _repeatable(toy: Toy) -> None:
    same = torch.equal(toy.log_probs(toy.fitted), toy.log_probs(toy.fit()))
    require(same, "two fits with generators of the same state predict differently")


def _global_generators(toy: Toy) -> None:
    toy.examples  # noqa: B018 (so that only one fit is watched)
    require_global_generators_untouched(toy.fit)


def _global_settings(toy: Toy) -> None:
    with restored():
        toy.examples  # noqa: B018 (so that only one fit and its prediction are watched)
    require_settings_untouched(lambda: toy.log_probs(toy.fit()))


def _unchanged_inputs(toy: Toy) -> None:
    toy.log_probs(toy.fitted)
    given, before = toy.examples, toy.untouched()
    same = torch.equal(before.inputs, given.inputs) and torch.equal(before.labels, given.labels)
    require(same, "the examples that it was given were written to")


def _best_epoch(toy: Toy) -> None:
    epoch = toy.fitted.best_epoch
    sound = isinstance(epoch, int) and 1 <= epoch <= BRIEF.max_epochs
    require(sound, f"trained for {BRIEF.max_epochs} epoch: expected best_epoch 1, got {epoch!r}")


def _distil(toy: Toy) -> None:
    """A model distilled from soft targets predicts them better than one that says the mean of all targets."""
    targets_n_C = _soft_targets(toy)
    distilled = _distilled(toy, targets_n_C)
    got = _divergence(targets_n_C, toy.log_probs(distilled).exp().mean(dim=1).log())
    mean_C = targets_n_C.exp().mean(dim=0).log()
    baseline = _divergence(targets_n_C, mean_C.expand_as(targets_n_C))
    require(
        got < baseline / 2,
        f"distilled for {_EPOCHS} epochs: expected a Kullback-Leibler divergence from the targets below "
        f"{baseline / 2:.3f} nats, half that of their mean, got {got:.3f}",
    )


def _soft_targets(toy: Toy) -> Tensor:
    """log of (0.9, 0.1) or (0.1, 0.9), by the label."""
    labels = toy.examples.labels
    return torch.stack([torch.where(labels == label, 0.9, 0.1) for label in range(2)], dim=1).log()


def _distilled(toy: Toy, targets_n_C: Tensor) -> FittedModel:
    try:
        return toy.fitted.distil(toy.examples.inputs, targets_n_C, _EPOCHS, LONG, generator(0))
    except NotImplementedError as error:
        raise NotApplicable(str(error)) from error


def _divergence(log_p_n_C: Tensor, log_q_n_C: Tensor) -> float:
    return (log_p_n_C.exp() * (log_p_n_C - log_q_n_C)).sum(dim=-1).mean().item()


RULES: tuple[Rule[Toy], ...] = (
    Rule("learns", "learns a separable problem", _learns),
    Rule("repeatable", "the same generator state gives the same model", _repeatable),
    Rule("global_generators", "touches no global generator", _global_generators),
    Rule("global_settings", "leaves the settings of the process as they were", _global_settings),
    Rule("unchanged_inputs", "leaves its examples as they were", _unchanged_inputs),
    Rule("best_epoch", "says which epoch's weights it has", _best_epoch),
    Rule("distil", "can be fitted to soft targets, if it offers to", _distil),
)
