"""Wrong labels: how many and which; inputs, the test set and the wrapped data set do not change."""

import math
from pathlib import Path

import pytest
import torch
from numbered_data import Numbered, load
from softal_plugins.datasets.label_noise import LabelNoise
from softal_plugins.datasets.repeated import Repeated

from softal_bench.errors import DataError

LARGE = Numbered((4000,) * 5)


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.8])
def test_a_label_is_wrong_with_the_given_probability(rate: float) -> None:
    clean, noisy = load(LARGE).train.labels, load(LabelNoise(LARGE, rate)).train.labels
    wrong = (noisy != clean).double().mean().item()
    assert abs(wrong - rate) < 4 * math.sqrt(rate * (1 - rate) / 20_000)


def test_a_wrong_label_is_any_other_class_with_equal_probability() -> None:
    clean, noisy = load(LARGE).train.labels, load(LabelNoise(LARGE, 0.4)).train.labels
    confusion = (clean * 5 + noisy).bincount(minlength=25).view(5, 5).double() / 4000
    expected = torch.full((5, 5), 0.1) + torch.eye(5) * 0.5
    assert (confusion - expected).abs().max() < 4 * math.sqrt(0.24 / 4000)


def test_no_label_is_wrong_at_rate_0_and_all_are_at_rate_1() -> None:
    clean = load(LARGE).train.labels
    assert torch.equal(load(LabelNoise(LARGE, 0.0)).train.labels, clean)
    assert (load(LabelNoise(LARGE, 1.0)).train.labels != clean).all()


def test_a_higher_rate_adds_wrong_labels_to_the_same_ones() -> None:
    clean, some, more = (load(dataset).train.labels for dataset in (LARGE, LabelNoise(LARGE, 0.1), LabelNoise(LARGE)))
    wrong = some != clean
    assert torch.equal(more[wrong], some[wrong])
    assert (more != clean).sum() > 1.8 * wrong.sum()


def test_two_classes_are_swapped() -> None:
    noisy = load(LabelNoise(Numbered((5, 5)), 1.0)).train.labels
    assert noisy.tolist() == [1, 0] * 5


def test_a_single_class_is_rejected() -> None:
    with pytest.raises(DataError, match="numbered: with 1 class no label can be another"):
        load(LabelNoise(Numbered((10,))))


def test_the_generator_selects_the_wrong_labels() -> None:
    first, same, other = (load(LabelNoise(LARGE), seed).train.labels for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_inputs_test_set_overlap_and_wrapped_data_are_not_modified() -> None:
    wrapped = Numbered()
    before = load(wrapped).train.labels.clone()
    clean, noisy = load(wrapped), load(LabelNoise(wrapped, 0.5))
    assert torch.equal(noisy.train.inputs, clean.train.inputs)
    assert noisy.test is clean.test
    assert noisy.overlap == 6
    assert torch.equal(clean.train.labels, before)


def test_copies_of_an_example_share_one_label() -> None:
    splits = load(LabelNoise(Repeated(Numbered(), times=3), 0.5))
    labels = splits.train.labels.view(3, -1)
    assert torch.equal(labels[0], labels[1])
    assert torch.equal(labels[0], labels[2])
    assert 60 < (labels[0] != load(Numbered()).train.labels).sum() < 140
    assert splits.source_N is not None
    assert splits.source_N.tolist() == list(range(200)) * 3


def test_the_provenance_has_the_rate_of_label_noise() -> None:
    provenance = load(LabelNoise(Numbered(), 0.25)).provenance
    assert (provenance.name, provenance.size) == ("numbered, label noise 0.25", 200)
    assert provenance.sha256 == "ab" * 32


def test_no_global_generator_is_used_and_the_wrapped_data_are_fetched(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    load(LabelNoise(Numbered()))
    LabelNoise(Numbered()).prepare(tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    assert (tmp_path / "fetched").read_text() == "here"


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan])
def test_an_invalid_rate_is_rejected(rate: float) -> None:
    with pytest.raises(ValueError, match=r"rate is .*; it must be a probability"):
        LabelNoise(Numbered(), rate)
