"""The journal of a job: its lines, its file and its origin."""
