"""The mathematics: information in predictions, joint entropies, sampling without replacement, MC dropout, training."""
