"""One trial: partition, rounds, evaluation."""
