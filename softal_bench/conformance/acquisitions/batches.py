"""Rules about the acquired batch: its size, its positions and its dependencies.

The batch has B distinct positions for every valid B. It may depend only on the pool's points and on the generator. It
must not depend on chunking, on the order of the pool, on the dtype or on global state.
"""

from collections.abc import Callable

import numpy as np
import torch
from scipy.stats import chi2_contingency

from softal_bench.conformance.acquisitions.example_pools import (
    ExamplePool,
    N,
    example_pool,
    position_lists,
    positions_of,
    select,
)
from softal_bench.conformance.rules import (
    NotApplicable,
    Rule,
    Violation,
    require,
    require_global_generators_untouched,
    require_settings_untouched,
)
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction
from softal_bench.contracts.acquisition import require_sound_batch
from softal_bench.errors import SelectionError

_SEEDS = 8
_SMALL, _SMALL_BATCH, _SMALL_SEEDS = 12, 3, 200
# The p-value below which a test fails. It is small because the points of a batch are not independent. The seeds are
# fixed, so a plugin either always fails or never.
_P = 1e-9


def require_batch(batch: AcquiredBatch, size: int, batch_size: int) -> None:
    """Raise Violation unless the batch has `batch_size` distinct positions in a pool of `size`, and finite scores."""
    try:
        require_sound_batch(batch, batch_size, size)
    except SelectionError as error:
        raise Violation(f"{batch_size} of {size} points: {error}") from error


# The batch and the inputs


def _distinct_positions(acquisition: AcquisitionFunction) -> None:
    require_batch(select(acquisition, example_pool(), 7), N, 7)


def _one_point(acquisition: AcquisitionFunction) -> None:
    require_batch(select(acquisition, example_pool(), 1), N, 1)


def _whole_pool(acquisition: AcquisitionFunction) -> None:
    require_batch(select(acquisition, example_pool(), N), N, N)


def _pool_of_one(acquisition: AcquisitionFunction) -> None:
    require_batch(select(acquisition, example_pool(1), 1), 1, 1)


def _too_large_batch(acquisition: AcquisitionFunction) -> None:
    try:
        positions = positions_of(acquisition, example_pool(5), 6)
    except Exception:  # any exception is accepted
        return
    raise Violation(f"asked for 6 of 5 points: expected an exception, got positions {positions}")


def _unchanged_inputs(acquisition: AcquisitionFunction) -> None:
    # A function that converts log-probs to one of these dtypes copies them only if they have the other dtype, so both
    # dtypes are checked.
    for dtype in (torch.float64, torch.float32):
        given = example_pool().to(dtype)
        before = {name: tensor.clone() for name, tensor in given.tensors().items()}
        select(acquisition, given, 5)
        changed = [name for name, tensor in given.tensors().items() if not torch.equal(tensor, before[name])]
        require(not changed, f"5 of {N} points, {dtype}: it changed the pool's {', '.join(changed)} in place")


def _dtypes(acquisition: AcquisitionFunction) -> None:
    batches = {dtype: select(acquisition, example_pool().to(dtype), 5) for dtype in (torch.float64, torch.float32)}
    for batch in batches.values():
        require_batch(batch, N, 5)
    double, single = (batch.positions.tolist() for batch in batches.values())
    if not acquisition.stochastic:
        require(double == single, f"5 of {N} points: got {double} from float64 log-probs, {single} from float32")


# Randomness


def _repeatable(acquisition: AcquisitionFunction) -> None:
    first, second = (positions_of(acquisition, example_pool(), 5, seed=3) for _ in range(2))
    require(first == second, f"5 of {N} points, twice with a generator seeded with 3: got {first}, then {second}")


def _stateless(acquisition: AcquisitionFunction) -> None:
    _, before, again = (positions_of(acquisition, example_pool(), 5, seed=3) for _ in range(3))
    if before != again:
        raise NotApplicable("it breaks the rule `repeatable`")
    positions_of(acquisition, example_pool().at(torch.arange(N - 1, 9, -1)), 7, seed=4)
    after = positions_of(acquisition, example_pool(), 5, seed=3)
    require(
        before == after,
        f"5 of {N} points with a generator seeded with 3: got {before}, and {after} after a call with another pool; "
        "keep values only with pool.once",
    )


def _stochastic_as_declared(acquisition: AcquisitionFunction) -> None:
    different, tied = _count_batches(acquisition, example_pool), _count_batches(acquisition, _equal_points)
    given = f"12 of {N} points, and 12 of {N} equal points, under {_SEEDS} generator states"
    if acquisition.stochastic:
        require(different > 1 or tied > 1, f"{given}: declared stochastic, so expected several batches, got one")
    else:
        require(different == tied == 1, f"{given}: declared deterministic, but got {different} and {tied} batches")


def _equal_points() -> ExamplePool:
    return example_pool().at(torch.zeros(N, dtype=torch.int64))


def _count_batches(acquisition: AcquisitionFunction, make: Callable[[], ExamplePool]) -> int:
    """Return the number of different batches over generator states."""
    batches = [select(acquisition, make(), 12, seed=seed) for seed in range(_SEEDS)]
    # Compare as text, because NaN scores are not equal as numbers.
    return len({repr((batch.positions.tolist(), batch.scores.tolist())) for batch in batches})


def _global_generators(acquisition: AcquisitionFunction) -> None:
    require_global_generators_untouched(lambda: select(acquisition, example_pool(), 5))


def _global_settings(acquisition: AcquisitionFunction) -> None:
    require_settings_untouched(lambda: select(acquisition, example_pool(), 5))


# Invariance


def _chunks(acquisition: AcquisitionFunction) -> None:
    whole, parts = (positions_of(acquisition, example_pool(), 5, chunk_size=size) for size in (N, 7))
    require(whole == parts, f"5 of {N} points: got {whole} from one chunk, {parts} from chunks of 7")


def _order(acquisition: AcquisitionFunction) -> None:
    if acquisition.stochastic:
        _require_same_distribution(acquisition)
        return
    order = torch.randperm(N, generator=torch.Generator().manual_seed(5))
    expected = sorted(positions_of(acquisition, example_pool(), 5))
    got = sorted(order[positions_of(acquisition, example_pool().at(order), 5)].tolist())
    require(
        got == expected, f"5 of {N} points: expected {expected} in any order of the pool, got {got} in another order"
    )


def _require_same_distribution(acquisition: AcquisitionFunction) -> None:
    """Compare how often each point is acquired from the pool and from the reversed pool, by a chi-squared test."""
    order = torch.arange(_SMALL - 1, -1, -1)
    forwards = _counts(list(position_lists(acquisition, example_pool(_SMALL), _SMALL_BATCH, _SMALL_SEEDS)))
    backwards = _counts(list(position_lists(acquisition, example_pool(_SMALL).at(order), _SMALL_BATCH, _SMALL_SEEDS)))
    backwards = backwards[order.numpy()]
    table = np.stack([forwards, backwards])
    table = table[:, table.any(axis=0)]
    if table.shape[1] > 1:
        p = chi2_contingency(table).pvalue
        require(
            p > _P,
            f"{_SMALL_BATCH} of {_SMALL} points under {_SMALL_SEEDS} generator states: the points were acquired "
            f"{forwards.tolist()} times from the pool, and {backwards.tolist()} times from the same pool in reverse "
            f"order; by chance p = {p:.1g}",
        )


def _counts(positions: list[list[int]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.bincount(np.concatenate(positions), minlength=_SMALL)


RULES: tuple[Rule[AcquisitionFunction], ...] = (
    Rule("distinct_positions", "acquires exactly B distinct positions in range", _distinct_positions),
    Rule("one_point", "acquires one point (B = 1)", _one_point),
    Rule("whole_pool", "acquires the whole pool (B = N)", _whole_pool),
    Rule("pool_of_one", "acquires the only point of a pool of one (N = 1)", _pool_of_one),
    Rule("too_large_batch", "raises an exception if B exceeds the size of the pool", _too_large_batch),
    Rule("unchanged_inputs", "does not change its inputs", _unchanged_inputs),
    Rule(
        "dtypes",
        "accepts float32 and float64 log-probs and, if deterministic, acquires the same batch from both",
        _dtypes,
    ),
    Rule("repeatable", "acquires the same batch from the same generator state", _repeatable),
    Rule("stateless", "does not remember earlier calls", _stateless),
    Rule(
        "stochastic_as_declared",
        "acquires another batch from another generator state if and only if it is declared stochastic",
        _stochastic_as_declared,
    ),
    Rule("global_generators", "does not use a global random generator", _global_generators),
    Rule("global_settings", "does not change the settings of the process", _global_settings),
    Rule("chunks", "does not depend on how the pool is chunked", _chunks),
    Rule("order", "does not depend on the order of the pool (in distribution, if stochastic)", _order),
)
