"""Bayesian models, one a file."""
