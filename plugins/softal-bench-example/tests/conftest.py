"""The fixture `against_control`, which times a function beside a control."""

pytest_plugins = ["softal_bench.conformance.timing"]
