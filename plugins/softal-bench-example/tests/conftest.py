"""Load the fixture `against_control`, which compares the time of a function with that of a control."""

pytest_plugins = ["softal_bench.conformance.timing"]
