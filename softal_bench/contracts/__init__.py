"""The interfaces that plugins implement, and the types that the harness passes to them.

The letters in names of tensors mean the same everywhere: N pool points, K posterior samples, C classes, B points in an
acquisition batch, D embedding dimensions, L labelled points, T temperature. A lower-case letter is a chunk:
`log_probs_n_K_C` holds n of the N points.
"""

from .acquisition import AcquiredBatch, AcquisitionFunction, OneSampleScore
from .dataset import Dataset, Examples, Provenance, Splits
from .model import BayesianModel, FittedModel, Posterior, TrainingRegime
from .pool import Pool

__all__ = [
    "AcquiredBatch",
    "AcquisitionFunction",
    "BayesianModel",
    "Dataset",
    "Examples",
    "FittedModel",
    "OneSampleScore",
    "Pool",
    "Posterior",
    "Provenance",
    "Splits",
    "TrainingRegime",
]
