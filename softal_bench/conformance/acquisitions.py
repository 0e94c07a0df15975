"""What every acquisition function keeps to, checked on pools over stored log-probs."""

from collections.abc import Iterator

import torch
from torch import Tensor

from softal_bench.conformance.result import Result, Violation, require, run_checks
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.pools import TensorPool

N, K, C, D = 40, 8, 4, 5


def check_acquisition(acquisition: AcquisitionFunction) -> list[Result]:
    """Check an acquisition function; one result a rule."""
    return run_checks(
        {
            "chooses exactly B distinct positions in range": _chooses_distinct_positions,
            "refuses B above the size of the pool": _refuses_too_large_batches,
            "leaves its inputs as they were": _leaves_inputs,
            "the same generator state gives the same batch": _repeats,
            "another generator state gives another batch, if stochastic": _varies,
            "touches no global generator": _leaves_global_generator,
            "does not depend on how the pool is chunked": _ignores_chunks,
            "takes extreme predictions": _takes_extremes,
        },
        acquisition,
    )


def _chooses_distinct_positions(acquisition: AcquisitionFunction) -> None:
    for size, batch_size in ((N, 1), (N, 7), (N, N), (1, 1)):
        for dtype in (torch.float32, torch.float64):
            _require_valid(_choose(acquisition, _random(size).to(dtype), batch_size), size, batch_size)


def _refuses_too_large_batches(acquisition: AcquisitionFunction) -> None:
    try:
        batch = _choose(acquisition, _random(5), 6)
    except Exception:  # any exception will do
        return
    raise Violation(f"asked for 6 of 5 points; expected an exception, got positions {batch.positions.tolist()}")


def _leaves_inputs(acquisition: AcquisitionFunction) -> None:
    log_probs_N_K_C = _random(N)
    before = log_probs_N_K_C.clone()
    _choose(acquisition, log_probs_N_K_C, 5)
    require(torch.equal(before, log_probs_N_K_C), "the pool's log-probs were written to")


def _repeats(acquisition: AcquisitionFunction) -> None:
    first, second = (_choose(acquisition, _random(N), 5, seed=3).positions.tolist() for _ in range(2))
    require(first == second, f"generator seeded with 3 twice: got {first}, then {second}")


def _varies(acquisition: AcquisitionFunction) -> None:
    batches = [_choose(acquisition, _random(N), 12, seed=seed) for seed in range(8)]
    chosen = {(tuple(batch.positions.tolist()), tuple(batch.scores.tolist())) for batch in batches}
    if acquisition.stochastic:
        require(len(chosen) > 1, "declared stochastic, but 8 generator states gave the same batch of 12")
    else:
        require(len(chosen) == 1, f"declared deterministic, but 8 generator states gave {len(chosen)} batches of 12")


def _leaves_global_generator(acquisition: AcquisitionFunction) -> None:
    before = torch.get_rng_state()
    _choose(acquisition, _random(N), 5)
    require(
        torch.equal(before, torch.get_rng_state()),
        "torch's global generator was used; use the one that is given",
    )


def _ignores_chunks(acquisition: AcquisitionFunction) -> None:
    log_probs_N_K_C = _random(N).double()
    whole, parts = (_choose(acquisition, log_probs_N_K_C, 5, chunk_size=size).positions.tolist() for size in (N, 7))
    require(whole == parts, f"in one chunk: {whole}; in chunks of 7: {parts}")


def _takes_extremes(acquisition: AcquisitionFunction) -> None:
    for what, log_probs_N_K_C in _extremes():
        batch = _choose(acquisition, log_probs_N_K_C, 6)
        _require_valid(batch, len(log_probs_N_K_C), 6)
        finite = bool(batch.scores.isfinite().all())
        require(finite, f"{what}: expected finite scores, got {batch.scores.tolist()}")


def _extremes() -> Iterator[tuple[str, Tensor]]:
    one_hot = torch.full((12, K, C), -torch.inf)
    one_hot[torch.arange(12), :, torch.arange(12) % C] = 0.0
    yield "one-hot predictions", one_hot
    yield "uniform predictions", torch.full((12, K, C), 1 / C).log()
    yield "all points equal", _random(1).expand(12, K, C)
    yield "tiny probabilities", (_random(12) * 50).log_softmax(dim=-1)


def _random(size: int) -> Tensor:
    """log_probs_N_K_C with a spread of confidence."""
    generator = torch.Generator().manual_seed(0)
    common_N_1_C = torch.randn(size, 1, C, generator=generator) * 2
    return (common_N_1_C + torch.randn(size, K, C, generator=generator)).log_softmax(dim=-1)


def _choose(
    acquisition: AcquisitionFunction, log_probs_N_K_C: Tensor, batch_size: int, seed: int = 0, chunk_size: int = N
) -> AcquiredBatch:
    pool = _pool(log_probs_N_K_C, chunk_size, acquisition.needs)
    return acquisition.select(pool, batch_size, torch.Generator().manual_seed(seed))


def _pool(log_probs_N_K_C: Tensor, chunk_size: int, needs: frozenset[str]) -> Pool:
    """A pool that offers what an acquisition function declares to need, and nothing else."""
    generator = torch.Generator().manual_seed(1)
    size, dtype = len(log_probs_N_K_C), log_probs_N_K_C.dtype
    return TensorPool(
        log_probs_N_K_C,
        chunk_size,
        embeddings_N_D=torch.randn(size, D, generator=generator) if "embeddings" in needs else None,
        labelled_L_D=torch.randn(6, D, generator=generator) if "labelled" in needs else None,
        targets=TensorPool(_random(9).to(dtype)) if "targets" in needs else None,
        evaluation=TensorPool(log_probs_N_K_C.roll(1, 0)) if "evaluation" in needs else None,
    )


def _require_valid(batch: AcquiredBatch, size: int, batch_size: int) -> None:
    asked = f"{batch_size} of {size} points"
    require(isinstance(batch, AcquiredBatch), f"{asked}: expected an AcquiredBatch, got {type(batch).__name__}")
    positions = batch.positions.tolist()
    require(
        batch.positions.dtype == torch.int64,
        f"{asked}: expected int64 positions, got {batch.positions.dtype}",
    )
    require(len(positions) == batch_size, f"{asked}: got {len(positions)} positions")
    require(len(set(positions)) == batch_size, f"{asked}: got repeated positions {positions}")
    require(
        all(0 <= position < size for position in positions),
        f"{asked}: got positions out of range {positions}",
    )
    require(batch.scores.shape == (batch_size,), f"{asked}: got scores of shape {tuple(batch.scores.shape)}")
