"""Thompson sampling of a batch compared with sorting the whole pool under each drawn sample."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import oracles
import pytest
import torch
from torch import Tensor

from softal_bench.bayes.sampling import best_under_samples, draw_samples
from softal_bench.pools import TensorPool


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def by_hand(log_probs_N_K_C: Tensor, samples: list[int]) -> tuple[list[int], list[float]]:
    """Return the largest H[p̄] - H[p_k] of all remaining points, for one sample after another."""
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)
    terms: dict[int, float] = {}
    for sample in samples:
        left = {n: point for n, point in enumerate(probs_N_K_C) if n not in terms}
        values = {n: oracles.predictive_entropy(p) - oracles.entropy_of(p[sample]) for n, p in left.items()}
        best = max(values, key=lambda n: (round(values[n], 12), -n))
        terms[best] = values[best]
    return list(terms), list(terms.values())


@pytest.mark.parametrize("chunk_size", [1, 7, 100])
@pytest.mark.parametrize("samples", [[2], [0, 3, 1], [1, 1, 1, 2, 1], [0, 1, 2, 3] * 7])
def test_each_pick_is_the_best_point_left_for_its_sample(
    samples: list[int], chunk_size: int, device: torch.device
) -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 30, 4, 3)
    pool = TensorPool(log_probs_N_K_C.to(device), chunk_size)
    positions_B, terms_B = best_under_samples(pool, torch.tensor(samples))
    positions, terms = by_hand(log_probs_N_K_C, samples)
    assert positions_B.tolist() == positions
    assert terms_B.tolist() == pytest.approx(terms, abs=1e-12)
    assert positions_B.device.type == terms_B.device.type == device.type


def test_ties_go_to_the_lower_position_for_any_chunk_size() -> None:
    better, worse = torch.tensor([[0.9, 0.1], [0.1, 0.9]]).log(), torch.tensor([[0.6, 0.4], [0.5, 0.5]]).log()
    log_probs_N_K_C = torch.stack([worse, better, worse, better, better] * 4)
    for chunk_size in (1, 3, 20):
        positions_B, _ = best_under_samples(TensorPool(log_probs_N_K_C, chunk_size), torch.tensor([0, 1, 0, 1, 1]))
        assert positions_B.tolist() == [1, 3, 4, 6, 8]


def test_the_pool_is_read_once() -> None:
    class Counted(TensorPool):
        reads = 0

        def log_probs(self) -> Iterator[tuple[Tensor, Tensor]]:
            self.reads += 1
            return super().log_probs()

    pool = Counted(oracles.random_log_probs(0, 30, 4, 3))
    best_under_samples(pool, torch.tensor([0, 1, 2, 3, 0]))
    assert pool.reads == 1


@pytest.mark.parametrize(("num_samples", "batch_size"), [(4, 3), (4, 4), (4, 10), (1, 5)])
def test_each_sample_is_drawn_once_before_any_is_repeated(num_samples: int, batch_size: int) -> None:
    for seed in range(20):
        samples = draw_samples(num_samples, batch_size, seeded(seed)).tolist()
        assert len(samples) == batch_size
        for start in range(0, batch_size, num_samples):
            once = samples[start : start + num_samples]
            assert len(set(once)) == len(once)
            assert set(once) <= set(range(num_samples))


def test_all_ordered_samples_are_equally_likely() -> None:
    from scipy import stats

    generator = seeded(0)
    drawn = [tuple(draw_samples(3, 2, generator).tolist()) for _ in range(3000)]
    counts = Counter(drawn)
    assert len(counts) == 6
    assert stats.chisquare(list(counts.values())).pvalue > 1e-3


def test_the_mean_of_the_first_term_over_samples_is_bald() -> None:
    (point_K_C,) = log_probs_1_K_C = oracles.random_log_probs(0, 1, 5, 3)
    terms = [best_under_samples(TensorPool(log_probs_1_K_C), torch.tensor([k]))[1].item() for k in range(5)]
    assert np.mean(terms) == pytest.approx(oracles.bald(oracles.probs_of(point_K_C)), abs=1e-12)
