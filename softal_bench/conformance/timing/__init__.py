"""A speed gate, as a pytest plugin: a benchmark fails if it becomes slower relative to a control timed with it.

The gate needs `pip install 'softal-bench[test]'` and, in the top-level conftest.py of the tests:

    pytest_plugins = ["softal_bench.conformance.timing"]

A test that uses the fixture `against_control` calls it once, with a subject and a control. The control is work of the
same kind and of similar size that does not use the code of interest (a matrix product, a pass over an array, a sort).
Both should take 1 to 50 ms per call. A slower or busier machine slows both, so their ratio stays the same. The ratio is
compared with the ratios of earlier runs in `baseline.json` next to the test; `baseline` describes the tolerance.

- `pytest` and `pytest --gate=check` fail a test that became slower, and skip it if there is no baseline for this kind
  of CPU.
- `pytest --gate=require` also fails it if there is no baseline.
- `pytest --gate=show` only measures.
- `python -m softal_bench.conformance.timing FOLDER` renews the baseline of the benchmarks in a folder.

Each run of pytest ends with a table of the ratios.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from softal_bench.conformance.timing.baseline import (
    FILE_NAME,
    MIN_RUNS,
    Baseline,
    BaselineError,
    Measurement,
    Verdict,
    cpu_kind,
    failure_message,
    measure_ratios,
    missing_message,
    read_baseline,
    summary_table,
)
from softal_bench.conformance.timing.measure import (
    PairedTimer,
    Work,
    planted,
    ratio,
    require_known_plant,
    slowed,
    stable_process,
    undisturbed_clock,
)

__all__ = ["AgainstControl", "against_control"]

AgainstControl = Callable[[Work, Work], None]

_SECONDS = 3.0
_PAUSE = 1.5
_FIXTURE = "against_control"
_MEASUREMENTS = pytest.StashKey[list[Measurement]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--gate`."""
    parser.getgroup("softal-bench").addoption(
        "--gate",
        choices=["check", "require", "show"],
        default="check",
        help="Fail benchmarks that are slower than their baseline, and skip those without a baseline (check, the "
        "default) or fail them too (require); or only measure (show).",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start with an empty list of measurements."""
    config.stash[_MEASUREMENTS] = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Raise a usage error if benchmarks cannot be timed, or if two in one folder have the same name."""
    gated = [item for item in items if _FIXTURE in getattr(item, "fixturenames", ())]
    if not gated:
        return
    if not config.pluginmanager.hasplugin("benchmark"):
        raise pytest.UsageError(f"{_FIXTURE} needs pytest-benchmark: pip install 'softal-bench[test]'")
    places: dict[tuple[Any, str], str] = {}
    for item in gated:
        known = places.setdefault((item.path.parent, _name(item)), item.nodeid)
        if known != item.nodeid:
            raise pytest.UsageError(
                f"{item.nodeid} has the same name as {known}; rename one of them, because the benchmarks in a folder "
                "share a baseline file"
            )
    require_known_plant({_name(item) for item in gated})


@pytest.fixture
def against_control(benchmark: Any, request: pytest.FixtureRequest) -> AgainstControl:
    """Time a subject alternately with its control, and fail if their ratio exceeds the limit of the baseline.

    This takes 3 s, or four times as long with pauses in between if the test fails. PyTorch uses one thread.
    """

    name, path, kind = _name(request.node), request.path.parent / FILE_NAME, cpu_kind()
    mode = request.config.getoption("gate")

    def gate(subject: Work, control: Work) -> None:
        baseline = _usable_baseline(path, kind, name)
        if benchmark.disabled:
            subject()
            pytest.skip("benchmarks are disabled; pytest-benchmark says why")
        with _measuring(benchmark, name, subject, control) as measure:
            ratios = (measure(),) if mode == "show" else measure_ratios(measure, baseline, lambda: time.sleep(_PAUSE))
        measurement = Measurement(name, ratios, baseline, kind, path)
        request.config.stash[_MEASUREMENTS].append(measurement)
        benchmark.extra_info["gate"] = measurement.reported
        if mode != "show":
            _judge(measurement, required=mode == "require")

    return gate


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show the ratios."""
    measurements = config.stash[_MEASUREMENTS]
    if measurements:
        terminalreporter.section(f"ratios to controls on {measurements[0].kind}")
        for line in summary_table(measurements):
            terminalreporter.write_line(line)


@contextmanager
def _measuring(benchmark: Any, name: str, subject: Work, control: Work) -> Iterator[Callable[[], float]]:
    """Yield a function that measures the ratio. pytest-benchmark reports its first call."""
    with stable_process(), undisturbed_clock() as clock:
        timer = PairedTimer(slowed(subject, clock) if planted() == name else subject, control, clock)
        rounds = timer.rounds_in(_SECONDS)

        def measure() -> float:
            if benchmark.stats is None:
                benchmark.pedantic(timer.run_subject, setup=timer.run_control, rounds=rounds)
            else:
                timer.run(rounds)
            return ratio(timer.take())

        yield measure


def _usable_baseline(path: Path, kind: str, name: str) -> Baseline | None:
    """Return the baseline, or None if it has too few runs for a tolerance."""
    try:
        baseline = read_baseline(path, kind, name)
    except BaselineError as error:
        pytest.fail(str(error), pytrace=False)
    return baseline if baseline and len(baseline.ratios) >= MIN_RUNS else None


def _judge(measurement: Measurement, required: bool) -> None:
    if measurement.verdict is Verdict.SLOWER:
        pytest.fail(failure_message(measurement), pytrace=False)
    if measurement.verdict is Verdict.NO_BASELINE:
        (pytest.fail if required else pytest.skip)(missing_message(measurement))


def _name(item: pytest.Item) -> str:
    return item.name.removeprefix("test_")
