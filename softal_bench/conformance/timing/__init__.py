"""A gate for speed, as a pytest plugin: a benchmark fails if it got slower against a control timed in turn with it.

Needs `pip install 'softal-bench[test]'` and, in the conftest.py at the top of the tests:

    pytest_plugins = ["softal_bench.conformance.timing"]

A test that takes `against_control` calls it once, with the work of interest and a control: work of the same kind and
of like size that does not touch the code of interest (a matrix product, a pass over an array, a sort). Both should
take 1 to 50 ms a call. A machine that is slower, or busy, is so for both, and their ratio stays. It is compared with
the ratios of earlier runs in `baseline.json` beside the test; see `baseline` for the tolerance.

`pytest --gate=check` (as is plain `pytest`) fails what got slower and skips where this kind of CPU has no baseline;
`--gate=require` fails there too; `--gate=show` only measures. `python -m softal_bench.conformance.timing FOLDER` renews
the baseline of the benchmarks in a folder. Each ends with a table of ratios.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from softal_bench.conformance.timing import plant
from softal_bench.conformance.timing.baseline import FILE_NAME, BaselineError, Learnt, cpu_kind, recall
from softal_bench.conformance.timing.clock import undisturbed_clock
from softal_bench.conformance.timing.pairs import Turns, Work, ratio
from softal_bench.conformance.timing.steady import steady
from softal_bench.conformance.timing.verdict import Measured, attempt, failure, missing, table, usable

__all__ = ["AgainstControl", "against_control"]

AgainstControl = Callable[[Work, Work], None]

_SECONDS = 3.0
_PAUSE = 1.5
_FIXTURE = "against_control"
_MEASURED = pytest.StashKey[list[Measured]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take `--gate`."""
    parser.getgroup("softal-bench").addoption(
        "--gate",
        choices=["check", "require", "show"],
        default="check",
        help="what is slower than its baseline fails; where there is none: skip (check, the default) or fail "
        "(require); or measure only (show)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start with nothing measured."""
    config.stash[_MEASURED] = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Stop where the benchmarks of this run cannot be told apart, or cannot be timed."""
    gated = [item for item in items if _FIXTURE in getattr(item, "fixturenames", ())]
    if not gated:
        return
    if not config.pluginmanager.hasplugin("benchmark"):
        raise pytest.UsageError(f"{_FIXTURE} needs pytest-benchmark: pip install 'softal-bench[test]'")
    places: dict[tuple[Any, str], str] = {}
    for item in gated:
        known = places.setdefault((item.path.parent, _name(item)), item.nodeid)
        if known != item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: {known} has the same name; benchmarks of a folder need their own")
    plant.require_known({_name(item) for item in gated})


@pytest.fixture
def against_control(benchmark: Any, request: pytest.FixtureRequest) -> AgainstControl:
    """Time a subject in turn with its control, and fail if their ratio is over the baseline's limit.

    Takes 3 s, four times that and the pauses between where it fails. PyTorch runs on one thread meanwhile.
    """

    name, path, kind = _name(request.node), request.path.parent / FILE_NAME, cpu_kind()
    mode = request.config.getoption("gate")

    def gate(subject: Work, control: Work) -> None:
        learnt = _recalled(path, kind, name)
        if benchmark.disabled:
            subject()
            pytest.skip("benchmarks are disabled (pytest-benchmark says why)")
        with _measuring(benchmark, name, subject, control) as measure:
            ratios = (measure(),) if mode == "show" else attempt(measure, learnt, lambda: time.sleep(_PAUSE))
        measured = Measured(name, ratios, learnt, kind, path)
        request.config.stash[_MEASURED].append(measured)
        benchmark.extra_info["gate"] = measured.reported
        if mode != "show":
            _judge(measured, required=mode == "require")

    return gate


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the ratios."""
    measured = config.stash[_MEASURED]
    if measured:
        terminalreporter.section(f"ratios to controls on {measured[0].kind}")
        for line in table(measured):
            terminalreporter.write_line(line)


@contextmanager
def _measuring(benchmark: Any, name: str, subject: Work, control: Work) -> Iterator[Callable[[], float]]:
    """A function that measures the ratio; its first call runs as the benchmark that pytest-benchmark tables."""
    with steady(), undisturbed_clock() as clock:
        turns = Turns(plant.slowed(subject, clock) if plant.planted() == name else subject, control, clock)
        rounds = turns.rounds_in(_SECONDS)

        def measure() -> float:
            if benchmark.stats is None:
                benchmark.pedantic(turns.run_subject, setup=turns.run_control, rounds=rounds)
            else:
                turns.run(rounds)
            return ratio(turns.take())

        yield measure


def _recalled(path: Path, kind: str, name: str) -> Learnt | None:
    try:
        return usable(recall(path, kind, name))
    except BaselineError as error:
        pytest.fail(str(error), pytrace=False)


def _judge(measured: Measured, required: bool) -> None:
    if measured.verdict == "slower":
        pytest.fail(failure(measured), pytrace=False)
    if measured.verdict == "no baseline":
        (pytest.fail if required else pytest.skip)(missing(measured))


def _name(item: pytest.Item) -> str:
    return item.name.removeprefix("test_")
