"""Bayesian models, one per file."""
