"""Seeds of random choices. Each purpose has its own seed, and no seed depends on the name of a method.

Methods therefore share the start set, the initial weights, the mask draws and the noise of a trial ("common random
numbers"), and differences between them are paired.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Seeds:
    """The seeds of one trial: SHA-256 of (suite seed, trial, round, purpose)."""

    suite_seed: int
    trial: int

    def seed(self, purpose: str, round_: int | None = None) -> int:
        """Return a 63-bit seed. Equal arguments always give the same seed; different arguments give different seeds.

        >>> Seeds(0, 1).seed("posterior", 3) == Seeds(0, 1).seed("posterior", 3)
        True
        >>> Seeds(0, 1).seed("posterior", 3) == Seeds(0, 2).seed("posterior", 3)
        False
        """
        parts = json.dumps([self.suite_seed, self.trial, round_, purpose])
        return int.from_bytes(hashlib.sha256(parts.encode()).digest()[:8], "big") >> 1

    def generator(self, purpose: str, round_: int | None = None) -> torch.Generator:
        """Return a CPU generator with that seed. CUDA and CPU trials share its draws, which are moved to the device."""
        return torch.Generator().manual_seed(self.seed(purpose, round_))


@contextmanager
def seeded_global_rng(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Seed the global generators of the CPU and of `device` with a draw from `generator`; restore them afterwards."""
    seed = int(torch.randint(2**63 - 1, (), generator=generator))
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)  # `torch.manual_seed` would also seed every accelerator
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
