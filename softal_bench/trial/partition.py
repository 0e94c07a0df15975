"""Which training examples validate, which can be acquired, and which are labelled at the start."""

import torch
from torch import Tensor

from softal_bench.contracts import Splits
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition
from softal_bench.trial.attribution import Ended

_FIXED = -1  # in place of a trial's number: what is fixed is drawn from seeds of its own, the same in all trials


def draw_validation(condition: Condition, trial: int, splits: Splits) -> tuple[Tensor, Tensor]:
    """(validation, candidates): indices of the validation set, and in increasing order those of all other examples.

    Where the validation set is drawn before repetition, copies of its examples are no candidates either.
    """
    how = condition.validation
    seeds = Seeds(condition.seed, _FIXED if how.fixed else trial)
    source_N = sources_kept_apart(condition, splits)
    size = len(splits.train)
    originals = torch.arange(size) if source_N is None else _first_of_each(source_N)
    order = originals[torch.randperm(len(originals), generator=seeds.generator("validation"))]
    if how.stratified:
        order = _stratified(order, splits.train.labels, condition.validation_size)
    validation = order[: condition.validation_size]
    taken = torch.zeros(size, dtype=torch.bool)
    taken[validation] = True
    if source_N is not None:
        taken = torch.isin(source_N, source_N[validation])
    return validation, (~taken).nonzero().flatten()


def draw_start(condition: Condition, trial: int, splits: Splits, candidates: Tensor) -> list[int]:
    """The indices of the start set.

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
        raise Ended("failed", f"initial: outside validation a class has fewer than the {each} examples needed")
    return [int(index) for index in torch.cat(per_class)]


def pool_size(condition: Condition, splits: Splits) -> int:
    """How many examples are in the pool at the start; negative where there are too few for all else."""
    source_N = sources_kept_apart(condition, splits)
    if source_N is not None:
        copies = int(source_N.bincount().max())
        return len(splits.train) - condition.validation_size * copies - condition.initial.size
    return len(splits.train) - condition.validation_size - condition.initial.size


def sources_kept_apart(condition: Condition, splits: Splits) -> Tensor | None:
    """source_N where the validation set is drawn before repetition, so that copies go with it; else None."""
    return splits.source_N if condition.validation.before_repetition else None


def _first_of_each(source_N: Tensor) -> Tensor:
    """The index of the first copy of each example."""
    first = torch.full((int(source_N.max()) + 1,), len(source_N))
    first.scatter_reduce_(0, source_N, torch.arange(len(source_N)), "amin")
    return first[first < len(source_N)]


def _stratified(order: Tensor, labels: Tensor, size: int) -> Tensor:
    """The same indices, so that the first `size` have each class as often as all of them do, to rounding.

    The i-th of n_c examples of class c comes at (i + 1/2) / n_c; examples are taken by that, ties in their order.
    """
    classes = labels[order]
    place = torch.empty(len(order), dtype=torch.float64)
    for label in range(int(labels.max()) + 1):
        of_class = (classes == label).nonzero().flatten()
        place[of_class] = (torch.arange(len(of_class), dtype=torch.float64) + 0.5) / len(of_class)
    return order[place.argsort(stable=True)]
