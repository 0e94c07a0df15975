"""Conformance in a plugin's own tests, with pytest.

A class to subclass, with one fixture to supply:

    class TestGini(AcquisitionFunctionTests):
        @pytest.fixture
        def acquisition(self) -> Gini:
            return Gini()

or one test over many plugins, with the failures that are known and why:

    @parametrize_with_checks([Gini(), Softmax(Gini())], expected_failures={"worst_point": "it wants it so"})
    def test_conformance(check):
        check()
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from softal_bench.conformance import Check, NotApplicable, checks_of, rules_of
from softal_bench.contracts import AcquisitionFunction, BayesianModel, Dataset

ExpectedFailures = Mapping[str, str] | Callable[[Any], Mapping[str, str]]


def parametrize_with_checks(
    plugins: Iterable[object], expected_failures: ExpectedFailures | None = None, data_root: Path | None = None
) -> pytest.MarkDecorator:
    """Parametrise a test over the checks of each plugin; its one argument is `check`, to be called without arguments.

    Args:
        plugins: acquisition functions, models and data sets.
        expected_failures: reason by rule name, or a function of the plugin that returns that. An expected failure that
            passes fails the test, so that the list does not outlive its reasons.
        data_root: the folder of data sets' files; $SOFTAL_DATA if not given.

    Raises:
        ValueError: if an expected failure names no rule.
    """
    parameters = []
    for plugin in plugins:
        checks = checks_of(plugin, data_root or _data_root())
        reasons = expected_failures(plugin) if callable(expected_failures) else expected_failures or {}
        _require_known(reasons, checks)
        parameters += [_parameter(plugin, check, reasons.get(check.name)) for check in checks]
    return pytest.mark.parametrize("check", parameters)


class AcquisitionFunctionTests:
    """Tests of an acquisition function; supply the fixture `acquisition`."""

    @pytest.fixture
    def acquisition(self) -> AcquisitionFunction:
        """The acquisition function."""
        raise NotImplementedError(f"{type(self).__name__} has to supply the fixture 'acquisition'")

    @pytest.mark.parametrize("rule", [rule.name for rule in rules_of(AcquisitionFunction)])
    def test_keeps(self, acquisition: AcquisitionFunction, rule: str) -> None:
        """The rule of this name."""
        _run_rule(acquisition, rule)


class ModelTests:
    """Tests of a Bayesian model; supply the fixture `model`."""

    @pytest.fixture
    def model(self) -> BayesianModel:
        """The model."""
        raise NotImplementedError(f"{type(self).__name__} has to supply the fixture 'model'")

    @pytest.mark.parametrize("rule", [rule.name for rule in rules_of(BayesianModel)])
    def test_keeps(self, model: BayesianModel, rule: str) -> None:
        """The rule of this name."""
        _run_rule(model, rule)


class DatasetTests:
    """Tests of a data set; supply the fixture `dataset`, and `data_root` where its files are not under $SOFTAL_DATA."""

    @pytest.fixture
    def dataset(self) -> Dataset:
        """The data set."""
        raise NotImplementedError(f"{type(self).__name__} has to supply the fixture 'dataset'")

    @pytest.fixture
    def data_root(self) -> Path:
        """The folder that its files are under."""
        return _data_root()

    @pytest.mark.parametrize("rule", [rule.name for rule in rules_of(Dataset)])
    def test_keeps(self, dataset: Dataset, data_root: Path, rule: str) -> None:
        """The rule of this name."""
        _run_rule(dataset, rule, data_root)


def _run_rule(plugin: object, rule: str, data_root: Path = Path()) -> None:
    _run(next(check for check in checks_of(plugin, data_root) if check.name == rule))


def _run(check: Check) -> None:
    try:
        check()
    except NotApplicable as reason:
        pytest.skip(str(reason))


def _parameter(plugin: object, check: Check, reason: str | None) -> Any:
    marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason is not None else []
    return pytest.param(lambda: _run(check), id=f"{plugin}-{check.name}", marks=marks)


def _require_known(reasons: Mapping[str, str], checks: list[Check]) -> None:
    unknown = sorted(set(reasons) - {check.name for check in checks})
    if unknown:
        known = ", ".join(check.name for check in checks)
        raise ValueError(f"expected_failures names {', '.join(unknown)}, which is no rule of this kind; rules: {known}")


def _data_root() -> Path:
    return Path(os.environ.get("SOFTAL_DATA", "."))
