"""Acquisition functions of known cost, installed as any third-party distribution is."""

import gc
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool

MODULE = "softal_planted"


def _first(batch_size: int) -> AcquiredBatch:
    return AcquiredBatch(torch.arange(batch_size), torch.zeros(batch_size))


@dataclass(frozen=True)
class Sleeps(AcquisitionFunction):
    """Takes `per_pick` seconds per pick."""

    per_pick: float = 0.05

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        time.sleep(self.per_pick * batch_size)
        return _first(batch_size)


@dataclass(frozen=True)
class Allocates(AcquisitionFunction):
    """Fills this many MiB and releases them."""

    mebibytes: int = 64

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        if batch_size > 1:  # not in the small warm-up of one pick
            torch.ones(self.mebibytes * 2**20, dtype=torch.uint8)
        return _first(batch_size)


@dataclass(frozen=True)
class Raises(AcquisitionFunction):
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        raise RuntimeError("no luck")


@dataclass(frozen=True)
class Dies(AcquisitionFunction):
    """Kills its process with a signal."""

    number: int = int(signal.SIGSEGV)

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        os.kill(os.getpid(), self.number)
        return _first(batch_size)


@dataclass(frozen=True)
class Notes(AcquisitionFunction):
    """Appends a line with its process number, start time and end time to a file."""

    path: str = ""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        start = time.monotonic()
        time.sleep(0.02)
        with Path(self.path).open("a") as file:
            file.write(f"{os.getpid()} {start} {time.monotonic()}\n")
        return _first(batch_size)


@dataclass(frozen=True)
class Embeds(AcquisitionFunction):
    needs = frozenset({"embeddings"})

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return _first(batch_size)


@dataclass(frozen=True)
class Repeats(AcquisitionFunction):
    """Chooses the same point for the whole batch."""

    position: int = 0

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return AcquiredBatch(torch.full((batch_size,), self.position), torch.zeros(batch_size))


@dataclass(frozen=True)
class Collects(AcquisitionFunction):
    """Runs the garbage collector, and fails if it inspects more objects than a selection creates."""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        gc.collect()
        if batch_size > 1 and len(gc.get_objects()) > 10_000:  # the small warm-up of one pick is exempt
            raise RuntimeError(f"{len(gc.get_objects())} objects are looked at")
        return _first(batch_size)


@dataclass(frozen=True)
class Returns(AcquisitionFunction):
    """Chooses these positions, with scores that are 0 or infinite."""

    positions: tuple[float, ...] = (0.7, 1.9)
    infinite: bool = False

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        positions = torch.tensor(self.positions)
        whole = positions.long() if bool((positions == positions.long()).all()) else positions
        return AcquiredBatch(whole[:batch_size], torch.full((batch_size,), torch.inf if self.infinite else 0.0))


@dataclass(frozen=True)
class Hurries(AcquisitionFunction):
    """Lowers the precision of all later matrix products."""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        torch.set_float32_matmul_precision("medium")
        return _first(batch_size)


PLUGINS = {
    "returns": "Returns",
    "hurries": "Hurries",
    "sleeps": "Sleeps",
    "allocates": "Allocates",
    "raises": "Raises",
    "dies": "Dies",
    "notes": "Notes",
    "embeds": "Embeds",
    "repeats": "Repeats",
    "collects": "Collects",
}


def install(folder: Path) -> None:
    """Put this module and the metadata of a distribution that offers its plugins into a folder of sys.path."""
    shutil.copy(__file__, folder / f"{MODULE}.py")
    metadata = folder / f"{MODULE}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: softal-planted\nVersion: 1.0\n")
    lines = [f"{name} = {MODULE}:{plugin}" for name, plugin in PLUGINS.items()]
    (metadata / "entry_points.txt").write_text("[softal_bench.acquisitions]\n" + "\n".join(lines))
