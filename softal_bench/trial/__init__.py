"""One trial: its data, partition, rounds and deadlines."""
