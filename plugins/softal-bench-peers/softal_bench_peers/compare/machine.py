"""What the machine itself does: its name, the rate of a large matrix product, the bandwidth of a copy."""

import statistics
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

import torch

from softal_bench.journal.origin import environment
from softal_bench.machine.device import device_name
from softal_bench_peers.compare.records import Comparison, Value

from .pairs import timed
from .settings import Settings

_PACKAGES = ("softal-bench", "torch", "numpy", "scipy", "batchbald_redux", "baal")
_METHOD = (
    "The machine's own rates on the same threads: a float32 product of two square matrices (2 n^3 operations), and a "
    "copy of a large tensor into another (bytes read and bytes written)."
)


def environment_of(settings: Settings) -> dict[str, Value]:
    """Machine, software and date of a comparison, as its record keeps them."""
    found = ((package, _version(package)) for package in _PACKAGES)
    return {
        **asdict(environment(settings.device, settings.threads)),
        "run": settings.run,
        "processor": device_name(torch.device("cpu")),
        "torch": torch.__version__,
        "packages": ", ".join(f"{package} {known}" for package, known in found if known),
        "date": datetime.now(UTC).date().isoformat(),
    }


def compare(settings: Settings) -> Iterator[Comparison]:
    """Both rates, as measurements without a peer."""
    edge, megabytes = settings.size(2048, 256), settings.size(256, 8)
    yield _alone(
        settings,
        f"matrix product, {edge} x {edge} x {edge}, float32",
        seconds := matrix_product_seconds(settings, edge),
        {"GFLOP/s": 2 * edge**3 / statistics.median(seconds) / 1e9},
    )
    yield _alone(
        settings,
        f"copy of {megabytes} MiB, float32",
        seconds := _copy_seconds(settings, megabytes * 2**20),
        {"GB/s": 2 * megabytes * 2**20 / statistics.median(seconds) / 1e9},
    )


def matrix_product_seconds(settings: Settings, edge: int = 2048, samples: int = 10) -> list[float]:
    """Samples of the seconds of one product of two float32 [edge, edge] matrices, after a warm-up."""
    a, b = torch.randn(2, edge, edge, device=settings.device)
    product = torch.empty_like(a)
    torch.mm(a, b, out=product)
    return [timed(lambda: torch.mm(a, b, out=product), settings.device)[0] for _ in range(samples)]


def _copy_seconds(settings: Settings, num_bytes: int) -> list[float]:
    source = torch.ones(num_bytes // 4, device=settings.device)
    target = torch.zeros_like(source)
    target.copy_(source)  # now its memory is there
    return [timed(lambda: target.copy_(source), settings.device)[0] for _ in range(10)]


def _alone(settings: Settings, setting: str, seconds: list[float], details: dict[str, Value]) -> Comparison:
    return Comparison(
        work="machine",
        setting=setting,
        peer=None,
        peer_seconds=[],
        our_seconds=seconds,
        same_answer=None,
        method=_METHOD,
        details=details,
        environment=environment_of(settings),
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
