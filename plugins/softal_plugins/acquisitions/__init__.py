"""Acquisition functions, one per file."""
