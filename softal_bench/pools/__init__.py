"""The two kinds of pools: over stored log-probs and over a posterior."""

from softal_bench.pools.posterior import PosteriorPool, Predictor
from softal_bench.pools.tensor import TensorPool

__all__ = ["PosteriorPool", "Predictor", "TensorPool"]
