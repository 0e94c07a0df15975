"""Fixtures that load suites and return the errors of loading them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from softal_bench.errors import SuiteError
from softal_bench.suite import Suite, load_suite

from .example import write_suite

Loader = Callable[..., Suite]
Refused = Callable[..., str]


@pytest.fixture
def load(tmp_path: Path) -> Loader:
    """Load the tiny suite with some keys changed; the other three arguments are options of `run`."""

    def load(
        text: str | None = None,
        *,
        settings: tuple[str, ...] = (),
        only: tuple[str, ...] = (),
        trial_count: int | None = None,
        **changes: Any,
    ) -> Suite:
        return load_suite(write_suite(tmp_path, text, **changes), settings, only, trial_count)

    return load


@pytest.fixture
def refused(load: Loader, tmp_path: Path) -> Refused:
    """Return the message with which the changed suite is refused, with FILE for the path of the file."""

    def refused(*args: Any, **changes: Any) -> str:
        with pytest.raises(SuiteError) as error:
            load(*args, **changes)
        return str(error.value).replace(str(tmp_path / "tiny.yaml"), "FILE")

    return refused
