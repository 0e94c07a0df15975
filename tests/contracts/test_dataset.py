"""What splits record, and the number of test inputs that are training inputs, too."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from softal_bench.contracts import Examples, Provenance, Splits
from softal_bench.contracts.dataset import available_bytes, count_overlap, require_memory
from softal_bench.errors import DataError


def examples(count: int) -> Examples:
    return Examples(torch.zeros(count, 2), torch.zeros(count, dtype=torch.int64), 2)


def brute_force(train: Tensor, test: Tensor) -> int:
    """Return the number of test inputs that equal some training input, by comparing all pairs."""
    return sum(any(torch.equal(one, other) for other in train) for one in test)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8, torch.int64])
@pytest.mark.parametrize("shape", [(), (2,), (1, 2, 1)])
def test_the_overlap_agrees_with_comparing_all_pairs(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    train, test = (torch.randint(0, 4, (count, *shape), generator=generator).to(dtype) for count in (5, 40))
    assert 0 < brute_force(train, test) < 40
    assert count_overlap(train, test) == brute_force(train, test)


def test_duplicate_test_inputs_count_twice_but_duplicate_training_inputs_count_once() -> None:
    train = torch.tensor([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0]])
    assert count_overlap(train, torch.tensor([[1.0, 2.0], [1.0, 2.0], [5.0, 6.0]])) == 2


def test_the_memory_layout_has_no_effect() -> None:
    images = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert count_overlap(images, images.contiguous(memory_format=torch.channels_last)) == 6


def test_the_smallest_difference_makes_inputs_distinct() -> None:
    train = torch.ones(1, 3)
    assert count_overlap(train, torch.nextafter(train, torch.tensor(2.0))) == 0


def test_splits_have_no_overlap_by_default() -> None:
    assert Splits(examples(3), examples(2), Provenance("made", 3, "")).overlap == 0


@pytest.mark.parametrize("overlap", [-1, 3])
def test_an_impossible_overlap_is_reported_with_the_allowed_range(overlap: int) -> None:
    with pytest.raises(DataError, match=f"made: overlap is {overlap}; 2 test examples allow 0 to 2"):
        Splits(examples(3), examples(2), Provenance("made", 3, ""), overlap=overlap)


@pytest.mark.parametrize(
    ("limit", "counts"), [("1048576\n", True), ("max\n", False), (str(2**63), False), (None, False)]
)
def test_a_container_limit_reduces_available_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str | None, counts: bool
) -> None:
    file = tmp_path / "memory.max"
    if limit is not None:
        file.write_text(limit)
    monkeypatch.setattr("softal_bench.contracts.dataset._CONTAINER_LIMITS", (file,))
    assert (available_bytes() == 2**20) == counts
    require_memory(2**20, "a million bytes", "use fewer")
    if counts:
        with pytest.raises(DataError, match=r"they need about 0\.00195 GiB .* 0\.000977 GiB are .*; use fewer, or"):
            require_memory(2**21, "they", "use fewer")
