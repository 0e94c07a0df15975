"""The one door to torch's global generators, for code that can use no other: initial weights, training dropout."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded_global_rng(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Seed the global generators of the CPU and of `device` with a draw from `generator`; restore them afterwards."""
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` would seed every accelerator too
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
