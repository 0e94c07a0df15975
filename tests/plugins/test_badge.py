"""BADGE: its factors represent the gradient embeddings of the paper, and batches are drawn from these."""

import oracles
import pytest
import torch
from frequencies import agree
from softal_plugins.acquisitions.badge import BADGE
from torch import Tensor

from softal_bench.errors import NumericalError
from softal_bench.pools import TensorPool


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def embeddings(size: int, dimensions: int = 4) -> Tensor:
    return torch.randn(size, dimensions, generator=seeded(5))


def pool_of(size: int, chunk_size: int = 4096) -> TensorPool:
    return TensorPool(oracles.random_log_probs(0, size, 3, 3), chunk_size, embeddings_N_D=embeddings(size))


def gradient_embeddings(log_probs_N_K_C: Tensor, embeddings_N_D: Tensor) -> oracles.Array:
    """Differentiate the loss of each point, at its most probable class, by the weights of the last layer (autograd).

    The last layer is replaced by one that predicts p̄ at the point, since the gradient depends on nothing else.
    """
    gradients = []
    for mean_C, embedding_D in zip(log_probs_N_K_C.exp().mean(dim=1), embeddings_N_D.double(), strict=True):
        weights_C_D = torch.outer(mean_C.log(), embedding_D) / embedding_D.square().sum()
        weights_C_D.requires_grad_()
        loss = torch.nn.functional.cross_entropy((weights_C_D @ embedding_D).unsqueeze(0), mean_C.argmax().unsqueeze(0))
        (gradient_C_D,) = torch.autograd.grad(loss, weights_C_D)
        gradients.append(gradient_C_D.flatten())
    array: oracles.Array = torch.stack(gradients).numpy()
    return array


def test_batches_follow_d_squared_sampling_of_the_papers_gradients() -> None:
    points = gradient_embeddings(oracles.random_log_probs(0, 6, 3, 3), embeddings(6))
    largest = int((points**2).sum(axis=1).argmax())
    pool, generator = pool_of(6), seeded(0)
    drawn = [tuple(BADGE().select(pool, 3, generator).positions.tolist()) for _ in range(3000)]
    assert agree(drawn, oracles.kmeans_plus_plus_probs(points, largest, 3))


def test_scores_are_distances_of_the_papers_gradients_to_the_nearest_earlier_centre() -> None:
    points = torch.from_numpy(gradient_embeddings(oracles.random_log_probs(0, 40, 3, 3), embeddings(40)))
    batch = BADGE().select(pool_of(40, chunk_size=7), 40, seeded(1))
    chosen = points[batch.positions]
    expected = [chosen[0].norm().item()]
    expected += [torch.cdist(chosen[i : i + 1], chosen[:i]).min().item() for i in range(1, 40)]
    assert sorted(batch.positions.tolist()) == list(range(40))
    assert batch.scores.tolist() == pytest.approx(expected, abs=1e-7)


def test_all_uncertain_points_are_drawn_and_one_of_the_certain_points() -> None:
    # With the gradient by log-probabilities the uncertainty would cancel, and all points would be equally good.
    sure, undecided = torch.tensor([0.998, 0.001, 0.001]), torch.tensor([0.34, 0.33, 0.33])
    probs_N_C = torch.stack([sure, undecided.roll(1), sure.roll(2), undecided, sure.roll(1), undecided.roll(2)])
    pool = TensorPool(probs_N_C.log().unsqueeze(1), embeddings_N_D=torch.ones(6, 4))
    for seed in range(30):
        assert {1, 3, 5} < set(BADGE().select(pool, 4, seeded(seed)).positions.tolist())


def test_certain_predictions_lead_to_a_uniform_draw() -> None:
    pool = TensorPool(torch.eye(3)[[0, 1, 2, 0]].log().unsqueeze(1), embeddings_N_D=embeddings(4))
    generator = seeded(0)
    drawn = [tuple(BADGE().select(pool, 2, generator).positions.tolist()) for _ in range(900)]
    assert agree(drawn, {(0, other): 1 / 3 for other in (1, 2, 3)})


def test_the_error_for_a_nan_embedding_names_the_point() -> None:
    broken = embeddings(6)
    broken[4, 0] = torch.nan
    pool = TensorPool(oracles.random_log_probs(0, 6, 3, 3), embeddings_N_D=broken)
    with pytest.raises(NumericalError, match=r"point 4\b"):
        BADGE().select(pool, 2, seeded(0))


def test_it_needs_embeddings() -> None:
    assert BADGE().needs == {"embeddings"}
    with pytest.raises(LookupError, match="embeddings"):
        BADGE().select(TensorPool(oracles.random_log_probs(0, 6, 3, 3)), 2, seeded(0))
