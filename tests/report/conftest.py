"""A suite with one condition and three finished trials, which most tests of reports use."""

from pathlib import Path

import pytest

from .example import ExampleSuite, lines, write

# Labels 20, 30, 40, 50. The first reaches 90 % at 30, the second at 50, the third never.
ACCURACIES = [[0.5, 0.9, 0.85, 0.95], [0.5, 0.6, 0.8, 0.9], [0.5, 0.6, 0.7, 0.8]]


@pytest.fixture
def suite(tmp_path: Path) -> ExampleSuite:
    """Write a suite with the condition uniform at B = 10, whose three trials are done and in the runs folder."""
    example = ExampleSuite(tmp_path)
    for trial, accuracies in enumerate(ACCURACIES):
        write(example.path(example.conditions[0], trial), lines(example.conditions[0], trial, accuracies))
    return example
