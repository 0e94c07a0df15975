"""A cost suite whose seconds follow power laws, which most tests of its report use."""

from pathlib import Path

import pytest

from softal_bench.suite import CostCondition

from ..example import write
from .example import ExampleCosts, lines

JOINT = "batchbald(M=1000)"


def power_law(condition: CostCondition) -> float | None:
    """Return 1 ms for uniform, 1 us per point for BALD, and B^2 times the seconds of BALD for BatchBALD."""
    size, batch_size = condition.pool_size, condition.batch_size
    return {"uniform": 1e-3, "bald": 1e-6 * size, JOINT: 1e-6 * size * batch_size**2}[condition.acquisition.label]


@pytest.fixture
def costs(tmp_path: Path) -> ExampleCosts:
    """Write all cells as done, except that BatchBALD with N = 100 000 times out at B = 5 and is not tried at B = 10."""
    example = ExampleCosts(tmp_path)
    example.measure(power_law)
    write(example.path(over := example.condition(JOINT, 100_000, 5)), lines(over, status="timeout"))
    example.path(example.condition(JOINT, 100_000, 10)).unlink()
    return example
