"""Random changes of training images that leave their label as it is."""

import torch
from torch import Tensor
from torch.nn import functional

_PADDING = 4


def draw_crops(count: int, generator: torch.Generator) -> Tensor:
    """crops_n_3 on the CPU, int64: rows and columns to skip, 0 to 8, and whether to mirror, 0 or 1, for n images."""
    shifts_n_2 = torch.randint(2 * _PADDING + 1, (count, 2), generator=generator)
    mirrored_n_1 = torch.randint(2, (count, 1), generator=generator)
    return torch.cat([shifts_n_2, mirrored_n_1], dim=1)


def crop_and_flip(inputs_n: Tensor, crops_n_3: Tensor) -> Tensor:
    """Each image shifted by -4 to 4 pixels along rows and columns, zeros coming in, and mirrored if its crop says so.

    It is a crop from the image padded by 4 zeros on each side. Zero is the mean where inputs are standardised.

    Args:
        inputs_n: images [n, c, h, w].
        crops_n_3: as `draw_crops` gives them, on the images' device.

    Raises:
        ValueError: if the inputs are not images.
    """
    if inputs_n.ndim != 4:
        raise ValueError(f"augmentation: inputs have shape {tuple(inputs_n.shape[1:])}; need images of [c, h, w]")
    n, _, height, width = inputs_n.shape
    device = inputs_n.device
    padded = functional.pad(inputs_n, [_PADDING] * 4)
    down_n, across_n, mirrored_n = crops_n_3.unbind(dim=1)
    rows_n_h = down_n[:, None] + torch.arange(height, device=device)
    columns = torch.arange(width, device=device)
    columns_n_w = across_n[:, None] + torch.where(mirrored_n[:, None] == 1, columns.flip(0), columns)
    image_n = torch.arange(n, device=device)
    return padded[image_n[:, None, None], :, rows_n_h[:, :, None], columns_n_w[:, None, :]].permute(0, 3, 1, 2)
