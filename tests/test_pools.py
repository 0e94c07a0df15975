"""The two pools: chunks, repeated reading, what is not offered, and positions that become indices of the data set."""

from collections.abc import Callable, Sequence

import numpy as np
import oracles
import pytest
import torch
from torch import Tensor

from softal_bench.contracts import NEEDS, Candidates, Examples, FittedModel, LabelledSet, Pool, Posterior, Progress
from softal_bench.errors import SelectionError
from softal_bench.machine.stopwatch import Stopwatch
from softal_bench.pools import LabelledTensors, PosteriorPool, Predictor, TensorPool, TrialCandidates


class StoredPosterior(Posterior):
    """Log-probs by input, where input i is the vector [i]; counts the inputs that it predicts."""

    def __init__(self, log_probs_M_K_C: Tensor) -> None:
        self.log_probs_M_K_C = log_probs_M_K_C
        self.predicted = 0

    @property
    def num_samples(self) -> int:
        return self.log_probs_M_K_C.shape[1]

    def log_probs(self, inputs: Tensor) -> Tensor:
        self.predicted += len(inputs)
        return self.log_probs_M_K_C[inputs[:, 0].long()]

    def head(self, embeddings_n_D: Tensor) -> Tensor:
        return self.log_probs_M_K_C[embeddings_n_D[:, 0].long()]


class Doubling(FittedModel):
    """A model that embeds an input as the input and its double."""

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        raise AssertionError("a pool has its posterior already")

    def embeddings(self, inputs: Tensor) -> Tensor:
        return torch.cat([inputs, 2 * inputs], dim=1)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


INDICES = [1, 4, 5, 8, 11, 12, 19]
LABELLED = [0, 7]
OFFERED = frozenset(NEEDS)
PROGRESS = Progress(round=2, num_labelled=2, budget=12, batch_size=5)


def posterior_pool(
    device: torch.device, indices: Sequence[int] = INDICES, chunk_size: int = 3
) -> tuple[PosteriorPool, StoredPosterior, Stopwatch]:
    """Return a pool of seven of twenty examples, of which two others are labelled."""
    inputs = torch.arange(20, dtype=torch.float32, device=device).unsqueeze(1)
    train = Examples(inputs, torch.arange(20, device=device) % 3, 3, fixed_features=torch.cat([inputs, -inputs], dim=1))
    posterior = StoredPosterior(oracles.random_log_probs(0, 20, 4, 3).to(device))
    stopwatch = Stopwatch(device)
    predictor = Predictor(Doubling(), lambda: posterior, stopwatch)
    candidates = TrialCandidates(train, torch.arange(15, device=device), OFFERED, lambda purpose: seeded(len(purpose)))
    pool = PosteriorPool(
        predictor,
        train,
        torch.tensor(indices, device=device),
        PROGRESS,
        OFFERED,
        labelled_indices=LABELLED,
        candidates=candidates,
    )
    pool.chunk_size = chunk_size
    return pool, posterior, stopwatch


@pytest.mark.parametrize("chunk_size", [1, 3, 7, 100])
def test_both_pools_yield_each_position_once_in_order_with_its_log_probs(chunk_size: int, device: torch.device) -> None:
    stored = oracles.random_log_probs(0, 20, 4, 3).to(device)
    posterior = posterior_pool(device, chunk_size=chunk_size)[0]
    for pool, expected in [(TensorPool(stored[:7], chunk_size), stored[:7]), (posterior, stored[INDICES])]:
        for _ in range(2):  # a second reading gives the same
            chunks = list(pool.log_probs())
            assert torch.cat([positions_n for positions_n, _ in chunks]).tolist() == list(range(7))
            assert all(1 <= len(positions_n) <= chunk_size for positions_n, _ in chunks)
            assert torch.equal(torch.cat([log_probs_n_K_C for _, log_probs_n_K_C in chunks]), expected)
        assert (pool.size, pool.num_samples, pool.num_classes) == (7, 4, 3)
        assert pool.device.type == device.type


def test_both_pools_read_chosen_positions_in_the_given_order(device: torch.device) -> None:
    stored = oracles.random_log_probs(0, 20, 4, 3).to(device)
    positions = torch.tensor([6, 0, 3, 3, 5], device=device)
    assert torch.equal(TensorPool(stored).log_probs_at(positions), stored[positions])
    assert torch.equal(posterior_pool(device)[0].log_probs_at(positions), stored[[19, 1, 8, 8, 12]])


def test_a_tensor_pool_returns_its_inputs() -> None:
    stored = oracles.random_log_probs(0, 5, 4, 3)
    targets, evaluation = TensorPool(stored[:2]), TensorPool(stored)
    embeddings, features, inputs = torch.rand(5, 2), torch.rand(5, 3), torch.rand(5, 1, 4, 4)
    labelled = LabelledTensors(torch.tensor([1, 0]), torch.tensor([8, 7]), embeddings_L_D=torch.rand(2, 2))
    pool = TensorPool(
        stored,
        indices_N=torch.tensor([2, 3, 5, 9, 11]),
        progress=PROGRESS,
        embeddings_N_D=embeddings,
        features_N_F=features,
        inputs_N=inputs,
        labelled=labelled,
        head=lambda embeddings_n_D: stored[: len(embeddings_n_D)],
        targets=targets,
        evaluation=evaluation,
    )
    assert pool.indices_N.tolist() == [2, 3, 5, 9, 11]
    assert pool.progress is PROGRESS
    assert pool.embeddings() is embeddings
    assert pool.features() is features
    assert torch.equal(pool.inputs_at(torch.tensor([4, 0])), inputs[[4, 0]])
    assert torch.equal(pool.head(embeddings[:2]), stored[:2])
    assert pool.labelled is labelled
    assert TensorPool(stored).indices_N.tolist() == [0, 1, 2, 3, 4]
    assert TensorPool(stored, labelled=labelled).progress == Progress(0, 2, 7, 1)
    assert pool.targets is targets
    assert pool.evaluation is evaluation


def read(pool: Pool, what: str) -> object:
    """Read one of the needs of a pool."""
    some = torch.tensor([0, 1])
    calls = {"inputs": lambda: pool.inputs_at(some), "head": lambda: pool.head(torch.stack([some, some], 1).float())}
    if what in calls:
        return calls[what]()
    found = getattr(pool, what)
    return found() if what in ("embeddings", "features") else found


@pytest.mark.parametrize("what", sorted(NEEDS))
def test_the_error_for_a_missing_need_names_it_and_where_to_declare_it(what: str) -> None:
    pool = TensorPool(oracles.random_log_probs(0, 5, 4, 3))
    with pytest.raises(LookupError, match=f"{what}.*needs"):
        read(pool, what)


@pytest.mark.parametrize(
    "tensor", [torch.zeros(4, 3), torch.zeros(4, 3, 2, 1), torch.zeros(4, 3, 2, dtype=torch.int64)]
)
def test_invalid_log_probs_are_rejected(tensor: Tensor) -> None:
    with pytest.raises(ValueError, match=r"points x posterior samples x classes"):
        TensorPool(tensor)
    with pytest.raises(ValueError, match="chunk_size is 0"):
        TensorPool(torch.zeros(4, 3, 2), chunk_size=0)


def test_positions_are_converted_to_indices_of_the_data_set(device: torch.device) -> None:
    pool, _, _ = posterior_pool(device)
    assert pool.indices(torch.tensor([6, 0, 3])) == [19, 1, 8]
    assert pool.indices(torch.tensor([2], dtype=torch.int32, device=device)) == [5]
    assert all(type(index) is int for index in pool.indices(torch.tensor([6, 0])))


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        (torch.tensor([0, 7]), "7.*0 to 6"),
        (torch.tensor([-1, 2]), "-1.*0 to 6"),
        (torch.tensor([2, 5, 2]), "position 2.*2 times"),
        (torch.tensor([0.0, 1.0]), "float32"),
        (torch.tensor([True, False]), "bool"),
        (torch.tensor([[0, 1]]), r"\(1, 2\)"),
        (torch.tensor(3), r"\(\)"),
    ],
)
def test_the_error_for_invalid_positions_names_them(positions: Tensor, message: str) -> None:
    with pytest.raises(SelectionError, match=message):
        posterior_pool(torch.device("cpu"))[0].indices(positions)


def test_embeddings_are_those_of_the_pool_and_the_labelled_points(device: torch.device) -> None:
    pool, _, _ = posterior_pool(device)
    assert pool.embeddings().tolist() == [[index, 2 * index] for index in INDICES]
    assert pool.labelled.embeddings().tolist() == [[index, 2 * index] for index in LABELLED]


def test_the_labelled_set_has_indices_labels_features_and_the_same_posterior_as_the_pool(device: torch.device) -> None:
    pool, posterior, _ = posterior_pool(device)
    labelled = pool.labelled
    assert labelled.size == 2
    assert labelled.indices_L.tolist() == LABELLED
    assert labelled.labels_L.tolist() == [index % 3 for index in LABELLED]
    assert labelled.features().tolist() == [[index, -index] for index in LABELLED]
    assert torch.equal(labelled.log_probs(), posterior.log_probs_M_K_C[LABELLED])


def test_a_pool_has_the_indices_features_and_inputs_of_its_points_and_the_head_of_the_model(
    device: torch.device,
) -> None:
    pool, posterior, _ = posterior_pool(device)
    positions = torch.tensor([3, 0], device=device)
    assert pool.indices_N.tolist() == INDICES
    assert pool.progress == PROGRESS
    assert pool.features().tolist() == [[index, -index] for index in INDICES]
    assert pool.inputs_at(positions).tolist() == [[8], [1]]
    assert torch.equal(pool.head(pool.embeddings()), posterior.log_probs_M_K_C[INDICES])


@pytest.mark.parametrize(
    "use",
    [
        len,
        list,
        lambda labelled: labelled[0],
        lambda labelled: labelled.shape,
        lambda labelled: labelled.double(),
        lambda labelled: torch.cat([labelled, labelled]),
        lambda labelled: torch.cdist(torch.zeros(2, 2), labelled),
        np.asarray,
    ],
)
def test_a_labelled_set_that_is_used_as_a_tensor_raises_an_error_that_names_its_embeddings(
    use: Callable[[LabelledSet], object],
) -> None:
    for pool in (posterior_pool(torch.device("cpu"))[0], TensorPool(torch.zeros(2, 2, 2), labelled=stored_labels())):
        with pytest.raises((TypeError, AttributeError), match=r"labelled.embeddings\(\)"):
            use(pool.labelled)


def stored_labels() -> LabelledTensors:
    return LabelledTensors(torch.tensor([1, 0]), torch.tensor([8, 7]))


def test_a_value_is_computed_once_from_all_candidates_and_a_generator_of_its_name() -> None:
    calls: list[str] = []

    def draw(candidates: Candidates, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        calls.append("draw")
        assert candidates.features().tolist() == [[index, -index] for index in range(15)]
        assert candidates.inputs_at(torch.tensor([2])).tolist() == [[2]]
        return candidates.positions_of(torch.tensor([4, 1])), torch.rand(3, generator=generator)

    pool = posterior_pool(torch.device("cpu"))[0]
    positions, noise = pool.once("draw", draw)
    assert positions.tolist() == [4, 1]
    assert torch.equal(noise, torch.rand(3, generator=seeded(len("once: draw"))))
    assert pool.once("draw", draw)[1] is noise
    assert not torch.equal(pool.once("draw again", draw)[1], noise)
    assert calls == ["draw", "draw"]


def test_a_pool_of_tensors_computes_a_value_once_from_its_points() -> None:
    pool = TensorPool(torch.zeros(3, 2, 2), indices_N=torch.tensor([2, 5, 6]), features_N_F=torch.rand(3, 2))

    def add(points: Candidates, _: torch.Generator) -> Tensor:
        return points.features() + points.positions_of(pool.indices_N)[:, None]

    first = pool.once("name", add)
    assert pool.once("name", add) is first
    assert torch.equal(first, pool.features() + torch.arange(3)[:, None])


def test_prediction_is_timed_as_prediction_and_starts_only_when_read() -> None:
    pool, posterior, stopwatch = posterior_pool(torch.device("cpu"))
    assert (pool.size, pool.num_classes) == (7, 3)
    chunks = pool.log_probs()
    assert posterior.predicted == 0
    assert "predict" not in stopwatch.seconds
    assert pool.num_samples == 4
    next(chunks)
    assert posterior.predicted == 3
    list(chunks)
    assert posterior.predicted == 7
    after_log_probs = stopwatch.seconds["predict"]
    assert after_log_probs > 0
    pool.log_probs_at(torch.tensor([1, 2]))
    after_some = stopwatch.seconds["predict"]
    assert after_some > after_log_probs
    pool.embeddings()
    assert stopwatch.seconds["predict"] > after_some


def test_time_between_two_chunks_does_not_count_as_prediction() -> None:
    pool, _, stopwatch = posterior_pool(torch.device("cpu"))
    with stopwatch.phase("select"):
        for _ in pool.log_probs():
            torch.linalg.eigvals(torch.rand(150, 150))
    assert stopwatch.seconds["select"] > 5 * stopwatch.seconds["predict"]


def test_pools_with_one_predictor_share_one_posterior_that_is_drawn_once() -> None:
    drawn: list[StoredPosterior] = []
    inputs = torch.arange(20, dtype=torch.float32).unsqueeze(1)
    examples = Examples(inputs, torch.zeros(20, dtype=torch.int64), 3)

    def draw() -> Posterior:
        drawn.append(StoredPosterior(oracles.random_log_probs(len(drawn), 20, 4, 3)))
        return drawn[-1]

    predictor = Predictor(Doubling(), draw, Stopwatch(torch.device("cpu")))
    targets = PosteriorPool(predictor, examples, torch.tensor([3, 8]), PROGRESS)
    pool = PosteriorPool(predictor, examples, torch.tensor(INDICES), PROGRESS, OFFERED, targets=lambda: targets)
    assert drawn == []
    assert torch.equal(pool.targets.log_probs_at(torch.tensor([1])), pool.log_probs_at(torch.tensor([3])))
    assert pool.num_samples == targets.num_samples == 4
    assert len(drawn) == 1


def test_related_pools_are_created_once_and_only_when_read() -> None:
    made: list[str] = []

    def make(what: str) -> Callable[[], TensorPool]:
        return lambda: made.append(what) or TensorPool(oracles.random_log_probs(0, 2, 4, 3))  # type: ignore[func-returns-value]

    predictor = Predictor(Doubling(), lambda: StoredPosterior(torch.zeros(1, 1, 1)), Stopwatch(torch.device("cpu")))
    examples = Examples(torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64), 3)
    pool = PosteriorPool(
        predictor, examples, torch.arange(3), PROGRESS, OFFERED, evaluation=make("evaluation"), targets=make("targets")
    )
    assert made == []
    assert pool.targets is pool.targets
    assert pool.evaluation is pool.evaluation
    assert made == ["targets", "evaluation"]
    with pytest.raises(LookupError, match="labelled"):
        _ = pool.labelled


@pytest.mark.parametrize("what", sorted(NEEDS))
def test_a_posterior_pool_offers_only_the_declared_needs(what: str) -> None:
    predictor = Predictor(Doubling(), lambda: StoredPosterior(torch.zeros(2, 1, 1)), Stopwatch(torch.device("cpu")))
    examples = Examples(torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64), 3)

    def pool(needs: frozenset[str]) -> PosteriorPool:
        def other() -> TensorPool:
            return TensorPool(oracles.random_log_probs(0, 2, 4, 3))

        return PosteriorPool(
            predictor,
            examples,
            torch.arange(3),
            PROGRESS,
            needs,
            labelled_indices=[1],
            evaluation=other,
            targets=other,
        )

    with pytest.raises(LookupError, match=rf"does not offer '{what}'.* needs = frozenset\(\{{'{what}'\}}\)"):
        read(pool(OFFERED - {what}), what)
    assert read(pool(frozenset({what})), what) is not None
