"""The two kinds of pools: over stored tensors and over a posterior."""

from softal_bench.pools.posterior import PosteriorPool, Predictor, TrialCandidates
from softal_bench.pools.tensor import LabelledTensors, TensorPool

__all__ = ["LabelledTensors", "PosteriorPool", "Predictor", "TensorPool", "TrialCandidates"]
