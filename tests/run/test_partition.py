"""Which examples validate, which can be acquired, and which are labelled at the start."""

from typing import Any

import pytest
import torch

from softal_bench.contracts import Examples, Provenance, Splits
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition, StartSet, ValidationSet
from softal_bench.trial.partition import draw_start, draw_validation, pool_size

SOURCES, COPIES = 60, 3


def repeated_splits() -> Splits:
    """Return 60 examples of classes 0 (half of them), 1 and 2, with three copies each, block by block."""
    labels = torch.tensor([0, 0, 1, 2] * (SOURCES // 4)).repeat(COPIES)
    examples = Examples(torch.arange(len(labels)).float().unsqueeze(1), labels, 3)
    return Splits(examples, examples, Provenance("numbers", len(labels), ""), torch.arange(SOURCES).repeat(COPIES))


def condition(**changes: object) -> Condition:
    keys: dict[str, Any] = {"acquisition": "uniform", "dataset": "digits", "model": "digits_cnn", "batch_size": 5}
    return Condition(**{**keys, "budget": 25, "validation_size": 20, "initial": StartSet(size=6), **changes})


def test_without_keys_validation_is_drawn_from_all_examples_and_the_rest_are_candidates() -> None:
    validation, candidates = draw_validation(condition(), 0, repeated_splits())
    assert len(validation) == 20
    assert sorted([*validation.tolist(), *candidates.tolist()]) == list(range(180))
    assert candidates.tolist() == sorted(candidates.tolist())
    order = torch.randperm(180, generator=seeds_of(0, "validation"))
    assert validation.tolist() == order[:20].tolist()  # as in journals of earlier versions


def seeds_of(trial: int, purpose: str) -> torch.Generator:
    return Seeds(condition().seed, trial).generator(purpose)


def test_before_repetition_no_copy_of_a_validation_example_is_a_candidate() -> None:
    how = condition(validation=ValidationSet(before_repetition=True))
    validation, candidates = draw_validation(how, 0, repeated_splits())
    assert len(set(validation.tolist())) == 20
    assert max(validation.tolist()) < SOURCES  # one copy of each example, the first
    left_out = {index + block * SOURCES for index in validation.tolist() for block in range(COPIES)}
    assert set(candidates.tolist()) == set(range(180)) - left_out
    assert pool_size(how, repeated_splits()) == 180 - 3 * 20 - 6


def test_before_repetition_changes_nothing_if_nothing_is_repeated() -> None:
    splits = repeated_splits()
    once = Splits(splits.train, splits.test, splits.provenance)
    how = condition(validation=ValidationSet(before_repetition=True))
    assert torch.equal(draw_validation(how, 0, once)[0], draw_validation(condition(), 0, once)[0])
    assert pool_size(how, once) == 180 - 20 - 6


@pytest.mark.parametrize("size", [4, 20, 90])
def test_a_stratified_validation_set_keeps_the_class_shares(size: int) -> None:
    how = condition(validation=ValidationSet(stratified=True), validation_size=size)
    splits = repeated_splits()
    for trial in range(3):
        counts = splits.train.labels[draw_validation(how, trial, splits)[0]].bincount(minlength=3)
        assert counts.tolist() == pytest.approx([size / 2, size / 4, size / 4], abs=1)


def test_only_fixed_sets_are_the_same_in_all_trials() -> None:
    splits = repeated_splits()
    for fixed in (True, False):
        how = condition(
            validation=ValidationSet(stratified=True, fixed=fixed), initial=StartSet(size=6, balanced=True, fixed=fixed)
        )
        drawn = []
        for trial in (0, 1):
            validation, candidates = draw_validation(how, trial, splits)
            drawn.append((validation.tolist(), draw_start(how, trial, splits, candidates)))
        assert (drawn[0][0] == drawn[1][0]) == fixed
        assert (drawn[0][1] == drawn[1][1]) == fixed


def test_a_balanced_start_set_has_equal_class_counts() -> None:
    splits = repeated_splits()
    candidates = draw_validation(condition(), 0, splits)[1]
    start = draw_start(condition(initial=StartSet(size=6, balanced=True)), 0, splits, candidates)
    assert splits.train.labels[start].bincount().tolist() == [2, 2, 2]
    assert set(start) <= set(candidates.tolist())
