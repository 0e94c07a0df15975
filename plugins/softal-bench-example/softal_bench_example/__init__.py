"""The acquisition function example for softal-bench."""
