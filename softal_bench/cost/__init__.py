"""One cost cell: its pool of log-probs and its measurement."""
