"""Random changes of training images that leave their label as it is."""

import torch
from torch import Tensor
from torch.nn import functional

_PADDING = 4


def augmented(inputs_n: Tensor, augmentation: str | None) -> Tensor:
    """Images [n, c, h, w] changed as the training regime's key says, each in its own way; None leaves them.

    Draws from the global generator of the images' device.
    """
    return inputs_n if augmentation is None else crop_and_flip(inputs_n)


def crop_and_flip(inputs_n: Tensor) -> Tensor:
    """Each image shifted by -4 to 4 pixels along rows and columns, zeros coming in, and mirrored with probability 1/2.

    It is a random crop from the image padded by 4 zeros on each side. Zero is the mean where inputs are standardised.

    Raises:
        ValueError: if the inputs are no images.
    """
    if inputs_n.ndim != 4:
        raise ValueError(f"augmentation: inputs have shape {tuple(inputs_n.shape[1:])}; need images of [c, h, w]")
    n, _, height, width = inputs_n.shape
    device = inputs_n.device
    padded = functional.pad(inputs_n, [_PADDING] * 4)
    down_n, across_n = torch.randint(2 * _PADDING + 1, (2, n), device=device)
    mirrored_n = torch.randint(2, (n,), device=device).bool()
    rows_n_h = down_n[:, None] + torch.arange(height, device=device)
    columns = torch.arange(width, device=device)
    columns_n_w = across_n[:, None] + torch.where(mirrored_n[:, None], columns.flip(0), columns)
    image_n = torch.arange(n, device=device)
    return padded[image_n[:, None, None], :, rows_n_h[:, :, None], columns_n_w[:, None, :]].permute(0, 3, 1, 2)
