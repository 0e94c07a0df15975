"""Repeated data sets: twins that differ only by noise."""

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from numbered_data import Numbered
from softal_plugins.datasets.repeated import Repeated
from torch import Tensor

from softal_bench.contracts import Dataset, Examples, Provenance, Splits
from softal_bench.contracts.dataset import count_overlap
from softal_bench.errors import DataError

NOWHERE = Path("/nowhere")
INPUTS = torch.linspace(-3, 3, 40 * 6).view(40, 1, 2, 3)
LABELS = torch.arange(40) % 5


@dataclass(frozen=True)
class Forty(Dataset):
    """Forty known images; the tensors are the same at every load, as in a data set that caches what it has read."""

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        return Splits(
            Examples(INPUTS, LABELS, 5), Examples(INPUTS[:7], LABELS[:7], 5), Provenance("forty", 40, "ab" * 32)
        )


@dataclass(frozen=True)
class Fetched(Forty):
    """A data set that must be downloaded first."""

    def prepare(self, root: Path) -> None:
        (root / "fetched").write_text("here")


def load(dataset: Dataset, seed: int = 0) -> Splits:
    return dataset.load(NOWHERE, torch.Generator().manual_seed(seed))


def noise(splits: Splits, times: int) -> Tensor:
    """Return the noise that was added to each copy, [times, 40, ...]."""
    return splits.train.inputs.view(times, *INPUTS.shape) - INPUTS


@pytest.mark.parametrize("times", [1, 2, 3])
def test_copies_are_in_blocks_so_that_i_and_i_plus_n_are_twins(times: int) -> None:
    splits = load(Repeated(Forty(), times=times, noise_std=0.1))
    assert len(splits.train) == times * 40
    assert splits.train.num_classes == 5
    assert splits.train.labels.tolist() == LABELS.tolist() * times
    assert noise(splits, times).abs().max() < 0.6


def test_every_copy_has_its_own_noise_with_the_given_standard_deviation() -> None:
    added = noise(load(Repeated(Forty(), times=50, noise_std=0.25)), 50)
    for copy in added[:5]:  # the first copy has noise, too
        assert copy.std().item() == pytest.approx(0.25, rel=5 / math.sqrt(2 * 240))
    assert added.std().item() == pytest.approx(0.25, rel=5 / math.sqrt(2 * 12_000))
    assert added.mean().item() == pytest.approx(0, abs=5 * 0.25 / math.sqrt(12_000))
    correlation = torch.corrcoef(torch.stack([added[0].flatten(), added[1].flatten()]))[0, 1].item()
    assert abs(correlation) < 5 / math.sqrt(240)


def test_the_defaults_are_two_copies_and_noise_of_0_1() -> None:
    assert Repeated(Forty()) == Repeated(Forty(), times=2, noise_std=0.1)


def test_the_generator_decides_the_noise() -> None:
    first, same, other = (load(Repeated(Forty()), seed).train.inputs for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert (first - other).abs().min() > 0


def test_no_global_generator_is_used() -> None:
    before = torch.get_rng_state()
    load(Repeated(Forty()))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_test_set_and_the_wrapped_data_are_not_modified() -> None:
    before = INPUTS.clone()
    for times in (1, 2):
        splits = load(Repeated(Forty(), times=times, noise_std=0.5))
        assert torch.equal(splits.test.inputs, before[:7])
        assert torch.equal(splits.test.labels, LABELS[:7])
    assert torch.equal(INPUTS, before)


def test_twins_are_equal_without_noise() -> None:
    assert torch.equal(load(Repeated(Forty(), noise_std=0.0)).train.inputs, INPUTS.repeat(2, 1, 1, 1))


def test_the_provenance_has_the_name_the_number_of_copies_and_the_noise() -> None:
    provenance = load(Repeated(Forty(), times=3, noise_std=0.2)).provenance
    assert provenance.size == 120
    assert provenance.sha256 == "ab" * 32
    for part in ("forty", "3", "0.2"):
        assert part in provenance.name


def test_wrapped_data_are_fetched(tmp_path: Path) -> None:
    Repeated(Repeated(Fetched())).prepare(tmp_path)
    assert (tmp_path / "fetched").read_text() == "here"


def test_a_repeated_data_set_can_be_repeated() -> None:
    splits = load(Repeated(Repeated(Forty(), noise_std=0.3), noise_std=0.4))
    assert len(splits.train) == 160
    assert noise(splits, 4).std().item() == pytest.approx(0.5, rel=0.1)  # variances of independent noise add up


@pytest.mark.parametrize(("times", "noise_std"), [(0, 0.1), (-1, 0.1), (2, -0.1), (2, math.nan), (2, math.inf)])
def test_invalid_sizes_and_noise_are_rejected(times: int, noise_std: float) -> None:
    with pytest.raises(ValueError, match=r"(times|noise_std) is"):
        Repeated(Forty(), times=times, noise_std=noise_std)


def test_the_overlap_is_unchanged_without_noise_and_0_with_noise() -> None:
    assert load(Repeated(Numbered(), times=3, noise_std=0.0)).overlap == 6
    assert load(Repeated(Numbered(), noise_std=0.1)).overlap == 0


def test_noise_too_small_to_change_inputs_keeps_the_overlap() -> None:
    splits = load(Repeated(Numbered(), noise_std=1e-30))
    assert splits.overlap == count_overlap(splits.train.inputs, splits.test.inputs) == 6


@pytest.mark.parametrize("times", [1001, 12_000, 10**15])
def test_too_many_copies_for_the_memory_are_rejected_before_copying(
    monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr("softal_bench.contracts.dataset.available_bytes", lambda: 2 * 1000 * INPUTS.nbytes)
    assert len(load(Repeated(Forty(), times=1000)).train) == 40_000
    assert len(load(Repeated(Repeated(Forty()), times=500)).train) == 40_000
    monkeypatch.setattr(torch.Tensor, "repeat", lambda *_: pytest.fail("copies were made"))
    message = rf"times is {times}, and so many copies of 40 examples need about .* are available .*; lower times, or"
    with pytest.raises(DataError, match=message):
        load(Repeated(Forty(), times=times))
