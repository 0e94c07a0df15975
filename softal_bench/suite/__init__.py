"""A suite file -> a validated Suite -> its list of Conditions."""

from softal_bench.suite.condition import Condition, StartSet
from softal_bench.suite.file import ReportOptions, Suite, load_suite, suite_schema

__all__ = ["Condition", "ReportOptions", "StartSet", "Suite", "load_suite", "suite_schema"]
