"""A cost suite whose seconds follow power laws, which most tests of its report start from."""

from pathlib import Path

import pytest

from softal_bench.suite import CostCondition

from ..example import write
from .example import ExampleCosts, lines

JOINT = "batchbald(M=1000)"


def power_law(condition: CostCondition) -> float | None:
    """Uniform takes 1 ms at any size, BALD 1 us a point, BatchBALD 1 us a point times the square of B."""
    size, batch_size = condition.pool_size, condition.batch_size
    return {"uniform": 1e-3, "bald": 1e-6 * size, JOINT: 1e-6 * size * batch_size**2}[condition.acquisition.label]


@pytest.fixture
def costs(tmp_path: Path) -> ExampleCosts:
    """All cells are done but BatchBALD's with N = 100 000, which times out at B = 5 and is not tried at B = 10."""
    example = ExampleCosts(tmp_path)
    example.measure(power_law)
    write(example.path(over := example.condition(JOINT, 100_000, 5)), lines(over, status="timeout"))
    example.path(example.condition(JOINT, 100_000, 10)).unlink()
    return example
