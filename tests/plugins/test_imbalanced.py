"""A long tail: how many examples of each class are kept, and that nothing else changes."""

import math
from pathlib import Path

import pytest
import torch
from numbered_data import Numbered, load
from softal_plugins.datasets.imbalanced import Imbalanced
from softal_plugins.datasets.label_noise import LabelNoise
from softal_plugins.datasets.repeated import Repeated

from softal_bench.contracts.dataset import count_overlap


@pytest.mark.parametrize(
    ("ratio", "expected"),
    [(1.0, [40, 40, 40, 40, 40]), (16.0, [40, 20, 10, 5, 2]), (2.0, [40, 34, 28, 24, 20]), (1e9, [40, 1, 1, 1, 1])],
)
def test_the_class_sizes_follow_the_exponential_profile_and_are_at_least_1(ratio: float, expected: list[int]) -> None:
    train = load(Imbalanced(Numbered(), ratio)).train
    assert train.labels.bincount().tolist() == expected  # 40 ratio^(-c/4), rounded, computed by hand


def test_the_share_depends_on_the_class_size() -> None:
    train = load(Imbalanced(Numbered((100, 10, 60)), 4.0)).train
    assert train.labels.bincount().tolist() == [100, 5, 15]


def test_an_empty_class_stays_empty_and_a_single_class_stays_complete() -> None:
    assert load(Imbalanced(Numbered((20, 0, 20)), 4.0)).train.labels.bincount().tolist() == [20, 0, 5]
    assert len(load(Imbalanced(Numbered((20,)), 4.0)).train) == 20


def test_kept_examples_keep_their_order_and_labels_and_are_not_repeated() -> None:
    once, kept = load(Numbered()).train, load(Imbalanced(Numbered(), 10.0)).train
    places = kept.inputs[:, 0].long()
    assert (places.diff() > 0).all()
    assert torch.equal(kept.labels, once.labels[places])


def test_the_generator_selects_each_example_of_a_class_equally_often() -> None:
    kept = [load(Imbalanced(Numbered(), 16.0), seed).train.inputs[:, 0].long() for seed in range(400)]
    assert torch.equal(kept[0], load(Imbalanced(Numbered(), 16.0), 0).train.inputs[:, 0].long())
    assert not torch.equal(kept[0], kept[1])
    often = torch.cat(kept).bincount(minlength=200)[2::5].double() / 400  # class 2 keeps 10 of 40
    assert (often - 0.25).abs().max() < 5 * math.sqrt(0.25 * 0.75 / 400)


def test_the_test_set_and_the_wrapped_data_are_not_modified() -> None:
    wrapped = Numbered()
    before, test = load(wrapped).train.labels.clone(), load(wrapped).test
    splits = load(Imbalanced(wrapped, 10.0))
    assert splits.test is test
    assert torch.equal(load(wrapped).train.labels, before)


def test_the_overlap_is_counted_again() -> None:
    splits = load(Imbalanced(Numbered(), 10.0))
    assert splits.overlap == count_overlap(splits.train.inputs, splits.test.inputs) < 6


def test_the_provenance_has_the_ratio_and_the_remaining_size() -> None:
    provenance = load(Imbalanced(Numbered(), 16.0)).provenance
    assert (provenance.name, provenance.size) == ("numbered, imbalanced 16:1", 77)
    assert provenance.sha256 == "ab" * 32


def test_copies_keep_the_number_of_their_source() -> None:
    splits = load(Imbalanced(Repeated(Numbered(), noise_std=0.0), 16.0))
    assert splits.train.labels.bincount().tolist() == [80, 40, 20, 10, 5]
    assert splits.source_N is not None
    assert splits.source_N.tolist() == splits.train.inputs[:, 0].long().tolist()


def test_imbalanced_data_can_be_repeated() -> None:
    splits = load(Repeated(Imbalanced(Numbered(), 16.0)))
    assert splits.train.labels.bincount().tolist() == [80, 40, 20, 10, 4]


def test_noisy_labels_determine_the_classes() -> None:
    noisy = load(LabelNoise(Numbered(), 0.5)).train.labels.bincount()
    train = load(Imbalanced(LabelNoise(Numbered(), 0.5), 16.0)).train
    assert train.labels.bincount().tolist() == [round(n / 2**c) for c, n in enumerate(noisy.tolist())]


def test_no_global_generator_is_used_and_the_wrapped_data_are_fetched(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    load(Imbalanced(Numbered()))
    Imbalanced(Numbered()).prepare(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert (tmp_path / "fetched").read_text() == "here"


@pytest.mark.parametrize("ratio", [0.5, 0.0, -1.0, math.nan, math.inf])
def test_a_ratio_below_1_or_not_finite_is_rejected(ratio: float) -> None:
    with pytest.raises(ValueError, match=r"ratio is .*; it must be at least 1 and finite"):
        Imbalanced(Numbered(), ratio)
