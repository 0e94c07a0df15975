"""A suite file -> a validated Suite -> its list of Conditions."""

from softal_bench.suite.condition import Condition, StartSet
from softal_bench.suite.file import Suite, load_suite, suite_schema
from softal_bench.suite.keys import ReportOptions

__all__ = ["Condition", "ReportOptions", "StartSet", "Suite", "load_suite", "suite_schema"]
