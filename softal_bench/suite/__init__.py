"""Suites: from the YAML file to the validated suite and its list of conditions."""

from softal_bench.suite.condition import AnyCondition, Condition, StartSet, TargetSet, ValidationSet
from softal_bench.suite.cost import CostCondition, Limits, Measurement, SyntheticSource, TrainedSource
from softal_bench.suite.file import (
    AnySuite,
    CostSuite,
    Suite,
    condition_of,
    find_suite,
    load_cost_suite,
    load_suite,
    looks_like_a_path,
    shipped_suites,
    suite_kind,
    suite_schema,
)
from softal_bench.suite.keys import PublishedRow, Reference, ReportOptions, Resources, TrialLimits

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
    "condition_of",
    "find_suite",
    "load_cost_suite",
    "load_suite",
    "looks_like_a_path",
    "shipped_suites",
    "suite_kind",
    "suite_schema",
]
