"""What is done with journals after a run: reading them as results, status, export, merging, verification."""
