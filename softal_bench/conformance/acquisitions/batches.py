"""The batch: as many distinct points of the pool as asked for, whatever its size."""

import torch

from softal_bench.conformance.acquisitions.examples import N, choose, chosen, example
from softal_bench.conformance.rules import Rule, Violation, require
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction
from softal_bench.contracts.acquisition import require_sound_batch
from softal_bench.errors import SelectionError


def _some(acquisition: AcquisitionFunction) -> None:
    require_batch(choose(acquisition, example(), 7), N, 7)


def _one(acquisition: AcquisitionFunction) -> None:
    require_batch(choose(acquisition, example(), 1), N, 1)


def _all(acquisition: AcquisitionFunction) -> None:
    require_batch(choose(acquisition, example(), N), N, N)


def _only_one(acquisition: AcquisitionFunction) -> None:
    require_batch(choose(acquisition, example(1), 1), 1, 1)


def _too_many(acquisition: AcquisitionFunction) -> None:
    try:
        positions = chosen(acquisition, example(5), 6)
    except Exception:  # any exception will do
        return
    raise Violation(f"asked for 6 of 5 points: expected an exception, got positions {positions}")


def _unchanged_inputs(acquisition: AcquisitionFunction) -> None:
    for dtype in (torch.float64, torch.float32):  # of a function that converts to one of them, each is another case
        given = example().to(dtype)
        before = {name: tensor.clone() for name, tensor in given.tensors().items()}
        choose(acquisition, given, 5)
        written = [name for name, tensor in given.tensors().items() if not torch.equal(tensor, before[name])]
        require(not written, f"5 of {N} points, {dtype}: {', '.join(written)} of the pool was written to")


def _dtypes(acquisition: AcquisitionFunction) -> None:
    batches = {dtype: choose(acquisition, example().to(dtype), 5) for dtype in (torch.float64, torch.float32)}
    for batch in batches.values():
        require_batch(batch, N, 5)
    double, single = (batch.positions.tolist() for batch in batches.values())
    if not acquisition.stochastic:
        require(double == single, f"5 of {N} points: got {double} from float64 log-probs, {single} from float32")


def require_batch(batch: AcquiredBatch, size: int, batch_size: int) -> None:
    """Raise Violation unless it is a batch of `batch_size` distinct positions in a pool of `size`, scores finite."""
    try:
        require_sound_batch(batch, batch_size, size)
    except SelectionError as error:
        raise Violation(f"{batch_size} of {size} points: {error}") from error


RULES: tuple[Rule[AcquisitionFunction], ...] = (
    Rule("distinct_positions", "chooses exactly B distinct positions in range", _some),
    Rule("one_point", "chooses one point (B = 1)", _one),
    Rule("whole_pool", "chooses the whole pool (B = N)", _all),
    Rule("pool_of_one", "chooses the only point there is (N = 1)", _only_one),
    Rule("too_large_batch", "refuses B above the size of the pool", _too_many),
    Rule("unchanged_inputs", "leaves its inputs as they were", _unchanged_inputs),
    Rule("dtypes", "takes log-probs in float32 and float64, and if deterministic chooses the same of both", _dtypes),
)
