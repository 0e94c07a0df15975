"""The runners that are killed at random moments, and their suite."""

from run.test_random_deaths import nursery, suite

__all__ = ["nursery", "suite"]
