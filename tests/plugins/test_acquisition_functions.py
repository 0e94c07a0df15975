"""Properties of all built-in acquisition functions: sizes, purity, ties, chunks, devices."""

import random
from collections.abc import Callable

import numpy as np
import oracles
import pytest
import torch
from softal_plugins.acquisitions.badge import BADGE
from softal_plugins.acquisitions.bald import BALD
from softal_plugins.acquisitions.batchbald import BatchBALD
from softal_plugins.acquisitions.coreset import Coreset
from softal_plugins.acquisitions.entropy import Entropy
from softal_plugins.acquisitions.epig import EPIG
from softal_plugins.acquisitions.mean_std import MeanStd
from softal_plugins.acquisitions.power import Power
from softal_plugins.acquisitions.random_top import RandomTop
from softal_plugins.acquisitions.softmax import Softmax
from softal_plugins.acquisitions.softrank import Softrank
from softal_plugins.acquisitions.thompson_bald import ThompsonBALD
from softal_plugins.acquisitions.uniform import Uniform
from softal_plugins.acquisitions.variation_ratios import VariationRatios
from torch import Tensor

from softal_bench.contracts import AcquisitionFunction, OneSampleScore
from softal_bench.errors import NumericalError, SelectionError
from softal_bench.pools import LabelledTensors, TensorPool

ONE_SAMPLE_SCORES: list[tuple[OneSampleScore, Callable[[oracles.Array], float]]] = [
    (Entropy(), oracles.predictive_entropy),
    (VariationRatios(), oracles.variation_ratio),
    (MeanStd(), oracles.mean_std),
    (BALD(), oracles.bald),
]
RULES = [Softmax(), Power(), Softrank(), RandomTop()]
STOCHASTIC: list[AcquisitionFunction] = [Uniform(), *RULES, BatchBALD(joint_samples=8), ThompsonBALD(), BADGE()]
ALL: list[AcquisitionFunction] = [*[score for score, _ in ONE_SAMPLE_SCORES], EPIG(), Coreset(), *STOCHASTIC]
READING = [function for function in ALL if not isinstance(function, Uniform | Coreset)]


def name(function: object) -> str:
    return type(function).__name__


each = pytest.mark.parametrize("function", ALL, ids=name)
each_stochastic = pytest.mark.parametrize("function", STOCHASTIC, ids=name)
each_reading = pytest.mark.parametrize("function", READING, ids=name)
each_score = pytest.mark.parametrize(
    ("function", "oracle"), ONE_SAMPLE_SCORES, ids=[name(s) for s, _ in ONE_SAMPLE_SCORES]
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pool_over(log_probs_N_K_C: Tensor, chunk_size: int = 4096) -> TensorPool:
    """Return a pool that also offers embeddings, a labelled set and targets."""
    (size, num_samples, num_classes), device = log_probs_N_K_C.shape, log_probs_N_K_C.device
    labels_L = torch.arange(6, device=device)
    return TensorPool(
        log_probs_N_K_C,
        chunk_size,
        embeddings_N_D=torch.randn(size, 5, generator=seeded(7)).to(device),
        labelled=LabelledTensors(labels_L, labels_L, embeddings_L_D=torch.randn(6, 5, generator=seeded(8)).to(device)),
        targets=TensorPool(oracles.random_log_probs(9, 4, num_samples, num_classes).to(device)),
    )


def extreme_pool() -> Tensor:
    """Return float32 log-probs: one-hot and agreed, one-hot and opposed, uniform, nearly one-hot, ordinary."""
    sure, opposed = torch.eye(4)[[1, 1, 1]], torch.eye(4)[[0, 1, 2]]
    undecided, nearly = torch.full((3, 4), 0.25), torch.tensor([[1 - 3e-30, 1e-30, 1e-30, 1e-30]] * 3)
    ordinary = oracles.random_log_probs(1, 3, 3, 4).exp().float()
    return torch.cat([torch.stack([sure, opposed, undecided, nearly, sure]), ordinary]).log()


@each_score
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_one_sample_score_selects_the_top_b_points(
    function: OneSampleScore, oracle: Callable[[oracles.Array], float], dtype: torch.dtype, device: torch.device
) -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 30, 5, 4).to(dtype)
    expected = [oracle(point) for point in oracles.probs_of(log_probs_N_K_C)]
    best = sorted(range(30), key=lambda position: -expected[position])[:7]

    batch = function.select(pool_over(log_probs_N_K_C.to(device)), 7, seeded(0))

    assert batch.positions.tolist() == best
    assert batch.positions.dtype == torch.int64
    assert batch.scores.tolist() == pytest.approx([expected[position] for position in best], abs=1e-7)


@each_score
def test_ties_go_to_the_lower_position(function: OneSampleScore, oracle: Callable[[oracles.Array], float]) -> None:
    better, worse = torch.tensor([[0.6, 0.4], [0.4, 0.6]]).log(), torch.tensor([[0.95, 0.05], [0.9, 0.1]]).log()
    pool = pool_over(torch.stack([worse, better, worse, better, better] * 20), chunk_size=7)
    chosen = function.select(pool, 63, seeded(0)).positions.tolist()
    assert chosen == [n for n in range(100) if n % 5 in (1, 3, 4)] + [0, 2, 5]


def test_ties_of_any_one_sample_score_go_to_the_lower_position() -> None:
    pool = pool_over(oracles.random_log_probs(0, 6, 2, 2))
    ties = oracles.GivenScores(torch.tensor([0.5, -1.0, 0.7, 0.5, 0.7, 0.5], dtype=torch.float64))
    batch = ties.select(pool, 5, seeded(0))
    assert batch.positions.tolist() == [2, 4, 0, 3, 5]
    assert batch.scores.tolist() == [0.7, 0.7, 0.5, 0.5, 0.5]


@each
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_batch_has_b_distinct_positions_of_the_pool(
    function: AcquisitionFunction, batch_size: int, device: torch.device
) -> None:
    for log_probs_N_K_C in (extreme_pool(), oracles.random_log_probs(0, 8, 3, 4)):
        batch = function.select(pool_over(log_probs_N_K_C.to(device)), batch_size, seeded(0))
        chosen = batch.positions.tolist()
        assert len(set(chosen)) == len(chosen) == len(batch.scores) == batch_size
        assert set(chosen) <= set(range(8))
        assert batch.scores.isfinite().all()
        assert batch.positions.device.type == batch.scores.device.type == device.type


@each
def test_the_only_point_of_a_pool_is_taken(function: AcquisitionFunction) -> None:
    assert function.select(pool_over(oracles.random_log_probs(0, 1, 3, 4)), 1, seeded(0)).positions.tolist() == [0]


@each
@pytest.mark.parametrize("batch_size", [0, -1, 9, 1000])
def test_the_error_for_an_invalid_batch_size_names_both_sizes(function: AcquisitionFunction, batch_size: int) -> None:
    with pytest.raises(SelectionError, match=rf"{batch_size} points.*8"):
        function.select(pool_over(oracles.random_log_probs(0, 8, 3, 4)), batch_size, seeded(0))


@each
def test_the_pools_log_probs_are_not_modified(function: AcquisitionFunction) -> None:
    for log_probs_N_K_C in (extreme_pool(), oracles.random_log_probs(0, 8, 3, 4)):
        before = log_probs_N_K_C.clone()
        function.select(pool_over(log_probs_N_K_C), 5, seeded(0))
        assert torch.equal(log_probs_N_K_C, before)


@each
def test_global_generators_are_neither_used_nor_changed(function: AcquisitionFunction) -> None:
    pool, batches = pool_over(oracles.random_log_probs(0, 40, 3, 4)), []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        random.seed(global_seed)
        np.random.seed(global_seed)
        before = oracles.global_generators()
        batches.append(function.select(pool, 6, seeded(0)).positions.tolist())
        assert oracles.global_generators() == before
    assert batches[0] == batches[1]


@each_stochastic
def test_the_generator_determines_the_batch(function: AcquisitionFunction, device: torch.device) -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 60, 3, 4)
    pool = pool_over(log_probs_N_K_C.to(device))
    batches = [tuple(function.select(pool, 12, seeded(seed)).positions.tolist()) for seed in [0, *range(30)]]
    assert function.stochastic
    assert batches[0] == batches[1]
    assert len(set(batches)) > 5
    assert batches[0] == tuple(function.select(pool_over(log_probs_N_K_C), 12, seeded(0)).positions.tolist())


@each_score
def test_a_one_sample_score_draws_nothing(function: OneSampleScore, oracle: Callable[[oracles.Array], float]) -> None:
    generator = seeded(0)
    before = generator.get_state()
    function.select(pool_over(oracles.random_log_probs(0, 20, 3, 4)), 5, generator)
    assert not function.stochastic
    assert torch.equal(generator.get_state(), before)


@each
@pytest.mark.parametrize("chunk_size", [1, 3, 24])
def test_the_chunk_size_does_not_matter(function: AcquisitionFunction, chunk_size: int) -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 25, 4, 5).float()
    whole = function.select(pool_over(log_probs_N_K_C), 6, seeded(0))
    chunked = function.select(pool_over(log_probs_N_K_C, chunk_size), 6, seeded(0))
    assert chunked.positions.tolist() == whole.positions.tolist()
    torch.testing.assert_close(chunked.scores, whole.scores, atol=1e-12, rtol=0)


@each_reading
def test_the_error_for_a_nan_names_its_position_in_the_pool(function: AcquisitionFunction) -> None:
    log_probs_N_K_C = oracles.random_log_probs(0, 8, 3, 4)
    log_probs_N_K_C[5, 1, 2] = torch.nan
    with pytest.raises(NumericalError, match=r"point 5\b"):
        function.select(pool_over(log_probs_N_K_C, chunk_size=3), 2, seeded(0))


def test_batchbald_scores_are_the_gains_of_its_points() -> None:
    log_probs_N_K_C = oracles.random_log_probs(3, 7, 4, 3)
    probs_N_K_C = oracles.probs_of(log_probs_N_K_C)
    batch = BatchBALD().select(pool_over(log_probs_N_K_C), 3, seeded(0))
    chosen = batch.positions.tolist()
    totals = [0.0, *[oracles.mutual_information(probs_N_K_C[chosen[: i + 1]]) for i in range(3)]]
    assert batch.scores.tolist() == pytest.approx(np.diff(totals).tolist(), abs=1e-10)


def test_uniform_selects_all_ordered_pairs_equally_often() -> None:
    from scipy import stats

    pool, generator = pool_over(oracles.random_log_probs(0, 5, 2, 2)), seeded(0)
    pairs = [tuple(Uniform().select(pool, 2, generator).positions.tolist()) for _ in range(4000)]
    expected = oracles.ordered_batch_probs([1.0] * 5, 2)
    assert stats.chisquare([pairs.count(pair) for pair in expected]).pvalue > 1e-3
