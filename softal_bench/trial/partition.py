"""The partition of the training examples: the validation set, the candidates for acquisition, and the start set.

This module also checks that a condition's sizes fit its data set, and computes the number of rounds.
"""

import torch
from torch import Tensor

from softal_bench.contracts import Splits
from softal_bench.errors import SuiteError
from softal_bench.journal.lines import Status
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition
from softal_bench.trial.attribution import Ended

_FIXED = -1  # the trial number whose seeds draw fixed sets, so that they are the same in all trials


def draw_validation(condition: Condition, trial: int, splits: Splits) -> tuple[Tensor, Tensor]:
    """Return (validation, candidates): the indices of the validation set, and all other indices in increasing order.

    If the validation set is drawn before repetition, the copies of its examples are not candidates either.
    """
    how = condition.validation
    seeds = Seeds(condition.seed, _FIXED if how.fixed else trial)
    source_N = sources_kept_apart(condition, splits)
    size = len(splits.train)
    originals = torch.arange(size) if source_N is None else _first_of_each(source_N)
    order = originals[torch.randperm(len(originals), generator=seeds.generator("validation"))]
    if how and how.stratified:
        order = _stratified(order, splits.train.labels, condition.validation_size)
    validation = order[: condition.validation_size]
    taken = torch.zeros(size, dtype=torch.bool)
    taken[validation] = True
    if source_N is not None:
        taken = torch.isin(source_N, source_N[validation])
    return validation, (~taken).nonzero().flatten()


def draw_start(condition: Condition, trial: int, splits: Splits, candidates: Tensor) -> list[int]:
    """Return the indices of the start set.

    Raises:
        Ended: if a class has fewer candidates than a balanced set needs.
    """
    size, labels = condition.initial.size, splits.train.labels
    seeds = Seeds(condition.seed, _FIXED if condition.initial.fixed else trial)
    shuffled = candidates[torch.randperm(len(candidates), generator=seeds.generator("start"))]
    if not condition.initial.balanced:
        return [int(index) for index in shuffled[:size]]
    each = size // splits.train.num_classes
    per_class = [shuffled[labels[shuffled] == label][:each] for label in range(splits.train.num_classes)]
    if any(len(indices) < each for indices in per_class):
        error = f"initial: a class has fewer than the {each} examples needed outside the validation set"
        raise Ended(Status.FAILED, error)
    return [int(index) for index in torch.cat(per_class)]


def pool_size(condition: Condition, splits: Splits) -> int:
    """Return the size of the pool at the start, negative if validation and start set need more examples than exist."""
    source_N = sources_kept_apart(condition, splits)
    if source_N is not None:
        copies = int(source_N.bincount().max())
        return len(splits.train) - condition.validation_size * copies - condition.initial.size
    return len(splits.train) - condition.validation_size - condition.initial.size


def sources_kept_apart(condition: Condition, splits: Splits) -> Tensor | None:
    """Return source_N if the validation set is drawn before repetition; otherwise None.

    Copies of validation examples are then excluded from the pool.
    """
    return splits.source_N if condition.validation.before_repetition else None


def require_feasible(condition: Condition, splits: Splits) -> None:
    """Raise SuiteError if the condition needs more examples than its data set has."""
    size, start, batch = len(splits.train), condition.initial.size, condition.batch_size
    pool = pool_size(condition, splits)
    have = f"{condition.dataset.label} has {size} training examples"
    apart = sources_kept_apart(condition, splits) is not None
    copies_too = ", with the copies that validation.before_repetition leaves out" if apart else ""
    if pool < 0:
        raise SuiteError(
            f"validation_size: {have}; {condition.validation_size} for validation and {start} at the start are more "
            f"than that{copies_too}"
        )
    if batch > pool:
        raise SuiteError(
            f"batch_size: {batch} is larger than the pool: {have}, {pool} of them in the pool at the start"
        )
    if num_rounds(condition) * batch - batch > pool:
        raise SuiteError(
            f"budget: {condition.budget} labels in batches of {batch} need more than the pool's {pool} ({have})"
        )
    if condition.initial.balanced and start % splits.train.num_classes:
        raise SuiteError(
            f"initial.size: {start} cannot be balanced over {splits.train.num_classes} classes; use a multiple"
        )
    rarest = int(splits.train.labels.bincount(minlength=splits.train.num_classes).min())
    if condition.initial.balanced and rarest < start // splits.train.num_classes:
        raise SuiteError(f"initial: {start} labels cannot be balanced: a class has {rarest} training examples")


def num_rounds(condition: Condition) -> int:
    """Return the number of trainings of a trial: one for each acquired batch, and one after the last batch."""
    return 1 + max(0, -((condition.initial.size - condition.budget) // condition.batch_size))


def _first_of_each(source_N: Tensor) -> Tensor:
    """Return the index of the first copy of each original example."""
    first = torch.full((int(source_N.max()) + 1,), len(source_N))
    first.scatter_reduce_(0, source_N, torch.arange(len(source_N)), "amin")
    return first[first < len(source_N)]


def _stratified(order: Tensor, labels: Tensor, size: int) -> Tensor:
    """Reorder the indices so that the first `size` have the class proportions of all of them, up to rounding.

    The i-th of the n_c examples of class c is placed at (i + 1/2) / n_c. Ties keep their order.
    """
    classes = labels[order]
    place = torch.empty(len(order), dtype=torch.float64)
    for label in range(int(labels.max()) + 1):
        of_class = (classes == label).nonzero().flatten()
        place[of_class] = (torch.arange(len(of_class), dtype=torch.float64) + 0.5) / len(of_class)
    return order[place.argsort(stable=True)]
