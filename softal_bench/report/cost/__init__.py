"""The report of a cost suite: seconds and peak memory of one selection against B, N and K."""
