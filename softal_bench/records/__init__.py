"""The use of journals after a run: reading them as results, status, export, merging and verification."""
