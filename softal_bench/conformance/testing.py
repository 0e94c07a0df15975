"""The rules as pytest tests, for a plugin's own test suite.

Subclass a test class and define one fixture:

    class TestGini(AcquisitionFunctionTests):
        @pytest.fixture
        def acquisition(self) -> Gini:
            return Gini()

Or parametrise one test over many plugins, with the known failures and their reasons:

    @parametrize_with_checks([Gini(), Softmax(Gini())], expected_failures={"worst_point": "it seeks certain points"})
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
    """Parametrise a test over the checks of each plugin. The test takes `check` and calls it without arguments.

    Args:
        plugins: acquisition functions, models and data sets.
        expected_failures: a mapping from rule names to reasons, or a function from a plugin to such a mapping. The
            test of an expected failure fails if the check passes, so that the list stays up to date.
        data_root: the folder of the data sets' files. Defaults to $SOFTAL_DATA, or the current folder if it is not set.

    Raises:
        ValueError: if `expected_failures` has a name that is not a rule of the plugin's kind.
    """
    parameters = []
    for plugin in plugins:
        checks = checks_of(plugin, data_root or _data_root())
        reasons = expected_failures(plugin) if callable(expected_failures) else expected_failures or {}
        _require_known(reasons, checks)
        parameters += [_parameter(plugin, check, reasons.get(check.name)) for check in checks]
    return pytest.mark.parametrize("check", parameters)


class AcquisitionFunctionTests:
    """Tests of an acquisition function. Define the fixture `acquisition`."""

    @pytest.fixture
    def acquisition(self) -> AcquisitionFunction:
        """The acquisition function to test."""
        raise NotImplementedError(f"{type(self).__name__} has to define the fixture 'acquisition'")

    @pytest.mark.parametrize("rule", [rule.name for rule in rules_of(AcquisitionFunction)])
    def test_keeps_rule(self, acquisition: AcquisitionFunction, rule: str) -> None:
        """Check the rule."""
        _run_rule(acquisition, rule)


class ModelTests:
    """Tests of a Bayesian model. Define the fixture `model`."""

    @pytest.fixture
    def model(self) -> BayesianModel:
        """The model to test."""
        raise NotImplementedError(f"{type(self).__name__} has to define the fixture 'model'")

    @pytest.mark.parametrize("rule", [rule.name for rule in rules_of(BayesianModel)])
    def test_keeps_rule(self, model: BayesianModel, rule: str) -> None:
        """Check the rule."""
        _run_rule(model, rule)


class DatasetTests:
    """Tests of a data set. Define the fixture `dataset`, and `data_root` if its files are not in $SOFTAL_DATA."""

    @pytest.fixture
    def dataset(self) -> Dataset:
        """The data set to test."""
        raise NotImplementedError(f"{type(self).__name__} has to define the fixture 'dataset'")

    @pytest.fixture
    def data_root(self) -> Path:
        """The folder of its files."""
        return _data_root()

    @pytest.mark.parametrize("rule", [rule.name for rule in rules_of(Dataset)])
    def test_keeps_rule(self, dataset: Dataset, data_root: Path, rule: str) -> None:
        """Check the rule."""
        _run_rule(dataset, rule, data_root)


def _run_rule(plugin: object, rule: str, data_root: Path = Path()) -> None:
    _run_or_skip(next(check for check in checks_of(plugin, data_root) if check.name == rule))


def _run_or_skip(check: Check) -> None:
    try:
        check()
    except NotApplicable as reason:
        pytest.skip(str(reason))


def _parameter(plugin: object, check: Check, reason: str | None) -> Any:
    marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason is not None else []
    return pytest.param(lambda: _run_or_skip(check), id=f"{plugin}-{check.name}", marks=marks)


def _require_known(reasons: Mapping[str, str], checks: list[Check]) -> None:
    unknown = sorted(set(reasons) - {check.name for check in checks})
    if unknown:
        known = ", ".join(check.name for check in checks)
        raise ValueError(f"expected_failures: unknown rule {', '.join(unknown)}; the rules of this kind are {known}")


def _data_root() -> Path:
    return Path(os.environ.get("SOFTAL_DATA", "."))
