"""How the time and the memory of BatchBALD grow with N, B and K, by this suite alone."""

import statistics
from collections.abc import Iterator

import torch
from softal_plugins.acquisitions.batchbald import BatchBALD
from torch import Tensor

from softal_bench.machine.stopwatch import Stopwatch
from softal_bench.report.stats.numbers import size
from softal_bench_peers.compare.records import Comparison

from .fresh import in_fresh_process, with_peak_growth
from .machine import environment_of
from .settings import Settings
from .synthetic import NoisyCopies
from .trained import pool_log_probs

_M, _REAL = 10_000, 20_000
_CELLS = (  # N, B, K: along N, along B, along K, and both at their largest
    (1000, 10, 100),
    (5000, 10, 100),
    (20_000, 10, 100),
    (100_000, 10, 100),
    (20_000, 5, 100),
    (20_000, 20, 100),
    (20_000, 50, 100),
    (20_000, 10, 20),
    (20_000, 10, 50),
    (1000, 50, 20),
    (100_000, 50, 20),
    (1000, 50, 100),
    (100_000, 50, 100),
)
_QUICK = ((100, 3, 10), (200, 6, 10))
_METHOD = (
    "BatchBALD by this suite alone (M = 10 000, C = 10, float32 log-probs), in a process of its own each time. The "
    "pool is the trained LeNet's 20 000 points, and for larger N the same points again with noise on their log-probs, "
    "made when read. Seconds are those of choosing, without making the pool. Growth of memory is the process's peak "
    "over what it had before. Where time grows slower than N x B, microseconds for each of N x B fall."
)


def compare(settings: Settings) -> Iterator[Comparison]:
    """A row for each cell."""
    cells = _QUICK if settings.quick else _CELLS
    for points, batch_size, num_samples in cells:
        yield _measure(settings, points, batch_size, num_samples)


def _measure(settings: Settings, points: int, batch_size: int, num_samples: int) -> Comparison:
    largest = settings.size(100, 20)
    stored = pool_log_probs(settings, settings.size(_REAL, 300), largest)[:points, :num_samples].cpu()
    samples = [
        in_fresh_process(choose, settings.threads, stored, points, batch_size, settings.device)
        for _ in range(settings.repetitions)
    ]
    seconds = [one[0] for one in samples]
    return Comparison(
        work="BatchBALD growth",
        setting=f"N = {size(points)}, B = {batch_size}, K = {num_samples}",
        peer=None,
        peer_seconds=[],
        our_seconds=seconds,
        same_answer=None,
        method=_METHOD,
        details={
            "N x B": points * batch_size,
            "Microseconds for each of N x B": 1e6 * statistics.median(seconds) / (points * batch_size),
            "Growth of peak memory, MB": max(one[1] for one in samples) / 1e6,
        },
        environment=environment_of(settings),
    )


def choose(log_probs_n_K_C: Tensor, points: int, batch_size: int, device: torch.device) -> tuple[float, int]:
    """Seconds of one batch from that many copies of the points, and bytes by which memory grew."""
    log_probs_n_K_C = log_probs_n_K_C.to(device).clone()  # resident before the measurement
    _select(NoisyCopies(log_probs_n_K_C[:200], min(points, 200), Stopwatch(device)), min(batch_size, 6))
    stopwatch = Stopwatch(device)
    pool = NoisyCopies(log_probs_n_K_C, points, stopwatch)

    def select() -> None:
        with stopwatch.phase("select"):
            _select(pool, batch_size)

    _, growth = with_peak_growth(select, device)
    return stopwatch.seconds["select"], growth


def _select(pool: NoisyCopies, batch_size: int) -> None:
    BatchBALD(joint_samples=_M).select(pool, batch_size, torch.Generator().manual_seed(0))
