"""A suite file -> a validated suite -> its list of conditions."""

from softal_bench.suite.condition import AnyCondition, Condition, StartSet, TargetSet, ValidationSet
from softal_bench.suite.cost import CostCondition, Limits, Measurement
from softal_bench.suite.described import condition_of
from softal_bench.suite.file import AnySuite, CostSuite, Suite, load_cost_suite, load_suite, suite_kind, suite_schema
from softal_bench.suite.find import find_suite, looks_like_a_path, shipped_suites
from softal_bench.suite.keys import ReportOptions, Resources, TrialLimits
from softal_bench.suite.reference import PublishedRow, Reference, beside
from softal_bench.suite.sources import SyntheticSource, TrainedSource

__all__ = [
    "AnyCondition",
    "AnySuite",
    "Condition",
    "CostCondition",
    "CostSuite",
    "Limits",
    "Measurement",
    "PublishedRow",
    "Reference",
    "ReportOptions",
    "Resources",
    "StartSet",
    "Suite",
    "SyntheticSource",
    "TargetSet",
    "TrainedSource",
    "TrialLimits",
    "ValidationSet",
    "beside",
    "condition_of",
    "find_suite",
    "load_cost_suite",
    "load_suite",
    "looks_like_a_path",
    "shipped_suites",
    "suite_kind",
    "suite_schema",
]
