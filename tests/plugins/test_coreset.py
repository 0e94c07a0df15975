"""k-center greedy as an acquisition function: what it reads, and that predictions do not matter."""

import numpy as np
import oracles
import pytest
import torch
from scipy.spatial.distance import cdist
from softal_plugins.acquisitions.coreset import Coreset

from softal_bench.pools import LabelledTensors, TensorPool


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pool_of(seed: int, labelled: int = 9) -> TensorPool:
    log_probs_N_K_C = oracles.random_log_probs(seed, 50, 2, 3)
    none = torch.zeros(labelled, dtype=torch.int64)
    labelled_set = LabelledTensors(none, none, embeddings_L_D=normal(1, labelled, 4))
    return TensorPool(log_probs_N_K_C, embeddings_N_D=normal(0, 50, 4), labelled=labelled_set)


def test_each_pick_is_the_farthest_from_labelled_points_and_earlier_picks() -> None:
    batch = Coreset().select(pool_of(0), 8, torch.Generator())
    points, centres = normal(0, 50, 4).double().numpy(), normal(1, 9, 4).double().numpy()
    for place, (position, score) in enumerate(zip(batch.positions.tolist(), batch.scores.tolist(), strict=True)):
        taken = np.concatenate([centres, points[batch.positions[:place].numpy()]])
        nearest_N = cdist(points, taken).min(axis=1)
        assert position == nearest_N.argmax()
        assert score == pytest.approx(nearest_N.max(), abs=1e-12)


def test_it_uses_neither_predictions_nor_randomness() -> None:
    batches = [Coreset().select(pool_of(seed), 8, torch.Generator().manual_seed(seed)) for seed in range(3)]
    assert len({tuple(batch.positions.tolist()) for batch in batches}) == 1
    assert not Coreset().stochastic


def test_the_first_pick_is_position_0_if_no_point_is_labelled() -> None:
    batch = Coreset().select(pool_of(0, labelled=0), 3, torch.Generator())
    assert batch.positions[0] == 0
    assert batch.scores[0] == torch.inf


def test_it_needs_embeddings_and_labelled_points() -> None:
    assert Coreset().needs == {"embeddings", "labelled"}
    without = TensorPool(oracles.random_log_probs(0, 50, 2, 3), embeddings_N_D=normal(0, 50, 4))
    with pytest.raises(LookupError, match="labelled"):
        Coreset().select(without, 3, torch.Generator())
