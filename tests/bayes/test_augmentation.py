"""Images are shifted and mirrored independently of each other, and not changed otherwise."""

import pytest
import torch
from torch import Tensor

from softal_bench.bayes.training import crop_and_flip, draw_crops


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def all_crops(image: Tensor) -> list[Tensor]:
    """Return the 162 images that an image [c, h, w] can become, by slicing."""
    _, height, width = image.shape
    padded = torch.nn.functional.pad(image, [4] * 4)
    crops = [padded[:, i : i + height, j : j + width] for i in range(9) for j in range(9)]
    return [*crops, *(crop.flip(2) for crop in crops)]


def test_each_image_becomes_one_of_its_crops_or_mirrored_crops_and_all_of_them_occur() -> None:
    image = torch.randn(2, 6, 5)
    crops = all_crops(image)
    outcomes = crop_and_flip(image.expand(4000, -1, -1, -1), draw_crops(4000, seeded(0)))
    assert outcomes.shape == (4000, 2, 6, 5)
    found = [next(i for i, crop in enumerate(crops) if torch.equal(crop, outcome)) for outcome in outcomes]
    counts = torch.bincount(torch.tensor(found), minlength=162)
    assert (counts > 0).all()
    assert counts[:81].sum().item() == pytest.approx(2000, abs=5 * 32)  # five standard deviations


def test_the_input_images_are_not_modified() -> None:
    images = torch.randn(5, 3, 8, 8)
    kept = images.clone()
    crop_and_flip(images, draw_crops(5, seeded(0)))
    assert torch.equal(images, kept)


def test_cropping_only_the_padding_returns_the_image() -> None:
    images = torch.randn(3, 2, 6, 5)
    assert torch.equal(crop_and_flip(images, torch.tensor([[4, 4, 0]] * 3)), images)
    assert torch.equal(crop_and_flip(images, torch.tensor([[4, 4, 1]] * 3)), images.flip(3))


def test_only_the_generator_decides() -> None:
    torch.manual_seed(1)
    first = draw_crops(20, seeded(7))
    torch.manual_seed(2)
    assert torch.equal(draw_crops(20, seeded(7)), first)
    assert not torch.equal(draw_crops(20, seeded(8)), first)


def test_features_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"\(7,\); need images"):
        crop_and_flip(torch.randn(3, 7), draw_crops(3, seeded(0)))
