"""BatchBALD's accelerated search against full greedy search on the same draws, step by step."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor

from softal_bench.bayes.batch_bald import batch_bald
from softal_bench.bayes.joint_entropy import Configurations, Points
from softal_bench.pools import TensorPool
from softal_bench.report.stats.numbers import size
from softal_bench_peers.compare.records import Comparison

from .machine import environment_of
from .settings import Settings
from .trained import pool_log_probs

_BATCH_SIZE = 25
_TIE = 1e-11  # nats: rounding of the two ways of multiplying
_METHOD = (
    "At each step of the accelerated search full greedy search computes, from the same drawn label configurations, "
    "the gain of every point of the pool (C = 10, log-probs of the trained LeNet); a step differs where the "
    "search took a point whose gain is below the largest. Same answer: no step differs by more than one standard error "
    "of the gain. Seconds are those of the search for the whole batch, and of the full search's steps together."
)


@dataclass
class _Steps:
    """What was found in the sampled steps of some searches."""

    sampled: int = 0
    shortfalls: list[float] = field(default_factory=list)
    in_errors: list[float] = field(default_factory=list)
    full_seconds: list[float] = field(default_factory=list)
    our_seconds: list[float] = field(default_factory=list)


def compare(settings: Settings) -> Iterator[Comparison]:
    """Few configurations, whose estimates are noisy, and as many as BatchBALD is compared with."""
    log_probs_N_K_C = pool_log_probs(settings, settings.size(20_000, 300), settings.size(100, 20))
    for max_configurations, points in ((1000, settings.size(2000, 100)), (10_000, settings.size(1000, 100))):
        yield _searches(settings, log_probs_N_K_C, max_configurations, points)


def _searches(settings: Settings, log_probs_N_K_C: Tensor, max_configurations: int, points: int) -> Comparison:
    wanted, steps, seed = settings.size(200, 20), _Steps(), 0
    while steps.sampled < wanted:
        chosen = torch.randperm(len(log_probs_N_K_C), generator=torch.Generator().manual_seed(seed))[:points]
        _follow(log_probs_N_K_C[chosen], max_configurations, seed, steps)
        seed += 1
    return Comparison(
        work="BatchBALD search",
        setting=f"N = {size(points)}, K = {log_probs_N_K_C.shape[1]}, M = {size(max_configurations)}, "
        f"B = {_BATCH_SIZE}",
        peer="full greedy search, ours",
        peer_seconds=steps.full_seconds,
        our_seconds=steps.our_seconds,
        same_answer=max(steps.in_errors, default=0.0) <= 1,
        method=_METHOD,
        details={
            "Sampled steps": steps.sampled,
            "Steps that differ": len(steps.shortfalls),
            "Largest shortfall, nats": max(steps.shortfalls, default=0.0),
            "The same in standard errors": max(steps.in_errors, default=0.0),
        },
        environment=environment_of(settings),
    )


def _follow(log_probs_N_K_C: Tensor, max_configurations: int, seed: int, steps: _Steps) -> None:
    """Search once, then take the same steps again with the gains of all points computed at each."""
    start = time.perf_counter()
    pool = TensorPool(log_probs_N_K_C)
    positions_B, _ = batch_bald(pool, _BATCH_SIZE, max_configurations, torch.Generator().manual_seed(seed))
    steps.our_seconds.append(time.perf_counter() - start)
    full_seconds, generator = 0.0, torch.Generator().manual_seed(seed)
    configurations = Configurations.empty(log_probs_N_K_C.shape[1], log_probs_N_K_C.device)
    for step, position in enumerate(positions_B.tolist()):
        start = time.perf_counter()
        gain_N = _gains(configurations, log_probs_N_K_C)
        full_seconds += time.perf_counter() - start
        gain_N[positions_B[:step]] = -torch.inf
        shortfall = float(gain_N.max() - gain_N[position])
        if configurations.rows_M is not None:
            steps.sampled += 1
        if shortfall > _TIE:
            error = configurations.standard_error(Points.of(log_probs_N_K_C[position].unsqueeze(0)))
            steps.shortfalls.append(shortfall)
            steps.in_errors.append(shortfall / float(error) if float(error) else float("inf"))
        configurations = configurations.extended(log_probs_N_K_C[position], max_configurations, generator)
    steps.full_seconds.append(full_seconds)


def _gains(configurations: Configurations, log_probs_N_K_C: Tensor) -> Tensor:
    """The gain of every point, float64, [N]."""
    parts = torch.split(log_probs_N_K_C, 512)
    return torch.cat([configurations.information(Points.of(log_probs_n_K_C)) for log_probs_n_K_C in parts])
