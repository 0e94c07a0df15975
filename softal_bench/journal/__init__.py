"""The journal of a job: its lines, and reading, writing and locking their file."""
