"""Conformance in an author's own tests: classes to subclass, and tests of a list of plugins."""

import pytest

from softal_bench.conformance import rules_of
from softal_bench.conformance.testing import parametrize_with_checks
from softal_bench.contracts import AcquisitionFunction, BayesianModel, Dataset

from .planted_acquisitions import PlantedScore, least_first

CLASSES = """
import pytest
from conformance.planted_datasets import Made
from conformance.planted_models import NearestMean
from softal_plugins.acquisitions.margin import Margin
from softal_bench.conformance.testing import AcquisitionFunctionTests, DatasetTests, ModelTests


class TestMargin(AcquisitionFunctionTests):
    @pytest.fixture
    def acquisition(self):
        return Margin()


class TestNearestMean(ModelTests):
    @pytest.fixture
    def model(self):
        return NearestMean("normalised")


class TestMade(DatasetTests):
    @pytest.fixture
    def dataset(self):
        return Made("copies")
"""

GENERATED = """
from conformance.planted_acquisitions import PlantedScore, least_first
from softal_plugins.acquisitions.uniform import Uniform
from softal_bench.conformance.testing import parametrize_with_checks

def reasons(plugin):
    return {{}} if isinstance(plugin, Uniform) else {{"{rule}": "it seeks certain points"}}

@parametrize_with_checks([PlantedScore(least_first), Uniform()], expected_failures=reasons)
def test_conformance(check):
    check()
"""


def test_a_subclass_with_one_fixture_has_a_test_for_every_rule(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(CLASSES)
    result = pytester.runpytest("-p", "no:cacheprovider")
    count = sum(len(rules_of(contract)) for contract in (AcquisitionFunction, BayesianModel, Dataset))
    result.assert_outcomes(passed=count - 2, failed=2)
    result.stdout.fnmatch_lines(
        ["*FAILED*TestNearestMean::test_keeps_rule?normalised?*", "*FAILED*TestMade::test_keeps_rule?copies?*"]
    )


def test_each_plugin_and_rule_has_a_test_and_an_expected_failure_xfails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(GENERATED.format(rule="worst_point"))
    result = pytester.runpytest("-p", "no:cacheprovider")
    count = len(rules_of(AcquisitionFunction))
    result.assert_outcomes(passed=2 * count - 2, xfailed=1, skipped=1)  # `worst_point` does not apply to uniform


def test_an_expected_failure_that_passes_fails(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(GENERATED.format(rule="one_point"))
    result = pytester.runpytest("-p", "no:cacheprovider", "-k", "one_point or worst_point")
    result.assert_outcomes(failed=2, passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*it seeks certain points*"])


def test_an_expected_failure_with_an_unknown_rule_is_an_error() -> None:
    with pytest.raises(
        ValueError, match="expected_failures: unknown rule worst_pont; the rules of this kind are distinct_"
    ):
        parametrize_with_checks([PlantedScore(least_first)], {"worst_pont": "typing error"})
