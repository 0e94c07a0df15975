"""Images are shifted and mirrored, each in its own way, and nothing else happens to them."""

import pytest
import torch
from torch import Tensor

from softal_bench.bayes.augmentation import augmented, crop_and_flip


def all_crops(image: Tensor) -> list[Tensor]:
    """The 162 images that an image [c, h, w] can become, by slicing."""
    _, height, width = image.shape
    padded = torch.nn.functional.pad(image, [4] * 4)
    crops = [padded[:, i : i + height, j : j + width] for i in range(9) for j in range(9)]
    return [*crops, *(crop.flip(2) for crop in crops)]


def test_each_image_becomes_one_of_its_crops_or_their_mirror_images_all_of_which_occur() -> None:
    image = torch.randn(2, 6, 5)
    crops = all_crops(image)
    outcomes = crop_and_flip(image.expand(4000, -1, -1, -1))
    assert outcomes.shape == (4000, 2, 6, 5)
    found = [next(i for i, crop in enumerate(crops) if torch.equal(crop, outcome)) for outcome in outcomes]
    counts = torch.bincount(torch.tensor(found), minlength=162)
    assert (counts > 0).all()
    assert counts[:81].sum().item() == pytest.approx(2000, abs=5 * 32)  # five standard deviations


def test_the_images_given_are_left_as_they_are() -> None:
    images = torch.randn(5, 3, 8, 8)
    kept = images.clone()
    assert augmented(images, None) is images
    augmented(images, "crop_and_flip")
    assert torch.equal(images, kept)


def test_the_global_generator_decides() -> None:
    images = torch.randn(20, 1, 8, 8)
    torch.manual_seed(1)
    first = crop_and_flip(images)
    torch.manual_seed(1)
    assert torch.equal(crop_and_flip(images), first)
    assert not torch.equal(crop_and_flip(images), first)


def test_features_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(7,\); need images"):
        augmented(torch.randn(3, 7), "crop_and_flip")
