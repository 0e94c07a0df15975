"""BatchEPIG-BALD compared with enumeration, and with full greedy search on the same draws."""

import oracles
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_pools import seeded, small_pools
from torch import Tensor

from softal_bench.bayes.batch_bald import batch_epig_bald
from softal_bench.bayes.joint_entropy import Configurations, Points
from softal_bench.pools import TensorPool

ALL = 10**6  # more label configurations than any small batch has: joint entropies are exact


def gain_of(probs: oracles.Array, before: list[int], position: int) -> float:
    """Return I[Y; Ω | Y_1..Y_b], by enumeration."""
    known = oracles.mutual_information(probs[before]) if before else 0.0
    return oracles.mutual_information(probs[[*before, position]]) - known


@given(log_probs_N_K_C=small_pools(), batch_size=st.integers(1, 3), seed=st.integers(0, 2**32))
@settings(max_examples=60)
def test_each_point_has_the_largest_difference_of_gains_given_earlier_points(
    log_probs_N_K_C: Tensor, batch_size: int, seed: int
) -> None:
    size, _, num_classes = log_probs_N_K_C.shape
    batch_size = min(batch_size, size)
    other_N_K_C = oracles.random_log_probs(seed, size, 3, num_classes)  # the number of samples may differ
    model, evaluation = oracles.probs_of(log_probs_N_K_C), oracles.probs_of(other_N_K_C)

    positions_B, gains_B = batch_epig_bald(
        TensorPool(log_probs_N_K_C), TensorPool(other_N_K_C), batch_size, ALL, seeded(0)
    )

    batch = positions_B.tolist()
    assert len(set(batch)) == batch_size
    for step, (position, gain) in enumerate(zip(batch, gains_B.tolist(), strict=True)):
        before = batch[:step]
        others = [n for n in range(size) if n not in before]
        differences = {n: gain_of(model, before, n) - gain_of(evaluation, before, n) for n in others}
        assert gain == pytest.approx(differences[position], abs=1e-9)
        assert gain >= max(differences.values()) - 1e-9


def test_all_gains_are_zero_if_both_posteriors_are_equal() -> None:
    pool = TensorPool(oracles.random_log_probs(0, 12, 4, 3))
    positions_B, gains_B = batch_epig_bald(pool, pool, 5, ALL, seeded(0))
    assert positions_B.tolist() == [0, 1, 2, 3, 4]
    assert gains_B.tolist() == pytest.approx([0.0] * 5, abs=1e-12)


def shortfalls(model_N_K_C: Tensor, other_N_K_C: Tensor, batch_size: int, max_configurations: int) -> list[float]:
    """Return how far each step is below full greedy search on the same draws; also check the gains and the draws."""
    search_generator, generator = seeded(7), seeded(7)
    pools = TensorPool(model_N_K_C, chunk_size=50), TensorPool(other_N_K_C, chunk_size=70)
    positions_B, gains_B = batch_epig_bald(*pools, batch_size, max_configurations, search_generator)
    points = Points.of(model_N_K_C), Points.of(other_N_K_C)
    terms = [Configurations.empty(pool.num_samples, pool.device) for pool in pools]
    lost = []
    for step, position in enumerate(positions_B.tolist()):
        gain_N = terms[0].information(points[0]) - terms[1].information(points[1])
        assert gains_B[step].item() == pytest.approx(gain_N[position].item(), abs=1e-12)
        gain_N[positions_B[:step]] = -torch.inf
        lost.append((gain_N.max() - gain_N[position]).item())
        if step + 1 < batch_size:
            for number, log_probs_N_K_C in enumerate((model_N_K_C, other_N_K_C)):
                terms[number] = terms[number].extended(log_probs_N_K_C[position], max_configurations, generator)
    assert torch.equal(search_generator.get_state(), generator.get_state())
    return lost


@pytest.mark.parametrize("max_configurations", [120, 1200])  # merging needs 96 configurations
@pytest.mark.parametrize("seed", range(4))
def test_sampled_steps_match_full_greedy_search_on_the_same_draws(seed: int, max_configurations: int) -> None:
    model_N_K_C = oracles.random_log_probs(seed, 200, 12, 4, concentration=0.3)
    other_N_K_C = oracles.random_log_probs(seed + 100, 200, 12, 4, concentration=3.0)
    assert max(shortfalls(model_N_K_C, other_N_K_C, 10, max_configurations)) <= 1e-11


@given(seed=st.integers(0, 2**32), num_samples=st.integers(2, 6), concentration=st.sampled_from([0.1, 0.5, 3.0]))
@settings(max_examples=30)
def test_exact_steps_with_many_configurations_match_full_greedy_search(
    seed: int, num_samples: int, concentration: float
) -> None:
    model_N_K_C = oracles.random_log_probs(seed, 40, num_samples, 3, concentration=concentration)
    other_N_K_C = oracles.random_log_probs(seed + 1, 40, num_samples, 3, concentration=0.5)
    assert max(shortfalls(model_N_K_C, other_N_K_C, 6, ALL)) <= 1e-11


def test_gains_are_computed_for_few_points_of_a_large_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = seeded(0)
    class_logits_N_1_C = 6 * torch.randn(3000, 1, 4, generator=generator)
    model_N_K_C, other_N_K_C = (
        (class_logits_N_1_C + spread * torch.randn(3000, 20, 4, generator=generator)).log_softmax(dim=-1)
        for spread in (3.0, 1.5)
    )
    computed: dict[int, int] = {}
    of_all = Configurations.information

    def counted(configurations: Configurations, points: Points) -> Tensor:
        rows = len(configurations.weights_D)
        computed[rows] = computed.get(rows, 0) + len(points)
        return of_all(configurations, points)

    monkeypatch.setattr(Configurations, "information", counted)
    batch_epig_bald(TensorPool(model_N_K_C), TensorPool(other_N_K_C), 8, 4000, seeded(0))

    # From step 5 on, the two terms have over 240 configurations; coarser ones have 160 for 20 samples.
    assert 0 < sum(points for rows, points in computed.items() if rows > 240) < 0.05 * 3000 * 2 * 4


def test_unequal_pools_are_rejected() -> None:
    five, six = (TensorPool(oracles.random_log_probs(0, size, 4, 3)) for size in (5, 6))
    with pytest.raises(ValueError, match="6 points, the pool 5"):
        batch_epig_bald(five, six, 2, ALL, seeded(0))
