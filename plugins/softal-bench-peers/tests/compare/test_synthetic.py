"""Pools that make their log-probs when read give the same ones at every reading."""

import pytest
import torch
from softal_bench_peers.compare.synthetic import NoisyCopies, SyntheticPool

from softal_bench.contracts import Pool
from softal_bench.machine.stopwatch import Stopwatch

CPU = torch.device("cpu")


def synthetic() -> Pool:
    return SyntheticPool((5000, 3, 4), CPU, Stopwatch(CPU))


def noisy_copies() -> Pool:
    stored = torch.randn(700, 3, 4, generator=torch.Generator().manual_seed(0)).log_softmax(dim=-1)
    return NoisyCopies(stored, 2500, Stopwatch(CPU))


@pytest.mark.parametrize("make", [synthetic, noisy_copies])
def test_reading_again_or_at_positions_gives_the_same_log_probs(make: type[Pool]) -> None:
    pool = make()
    positions, chunks = zip(*pool.log_probs(), strict=True)
    assert torch.equal(torch.cat(positions), torch.arange(pool.size))
    everything = torch.cat(chunks)
    assert torch.equal(everything, torch.cat([chunk for _, chunk in pool.log_probs()]))
    some = torch.tensor([pool.size - 1, 0, 2100, 17])
    assert torch.equal(pool.log_probs_at(some), everything[some])
    torch.testing.assert_close(everything.exp().sum(dim=-1), torch.ones(pool.size, pool.num_samples))


def test_all_points_of_a_pool_are_different() -> None:
    for pool in (synthetic(), noisy_copies()):
        everything = torch.cat([chunk for _, chunk in pool.log_probs()])
        assert len(torch.unique(everything.flatten(1), dim=0)) == pool.size


def test_the_first_copies_equal_the_points() -> None:
    stored = torch.randn(700, 3, 4, generator=torch.Generator().manual_seed(0)).log_softmax(dim=-1)
    torch.testing.assert_close(noisy_copies().log_probs_at(torch.arange(700)), stored)


def test_time_to_create_the_pool_is_not_selection() -> None:
    stopwatch = Stopwatch(CPU)
    with stopwatch.phase("select"):
        list(SyntheticPool((20_000, 20, 10), CPU, stopwatch).log_probs())
    assert stopwatch.seconds["make"] > stopwatch.seconds["select"]
