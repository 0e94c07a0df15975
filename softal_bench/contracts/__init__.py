"""The interfaces that plugins implement, and the types that the harness passes to them.

The letters in names of tensors mean the same everywhere: N pool points, K posterior samples, C classes, B points in an
acquisition batch, D embedding dimensions, L labelled points, T temperature. A lower-case letter is a chunk:
`log_probs_n_K_C` holds n of the N points.
"""

from .acquisition import AcquiredBatch, AcquisitionFunction, OneSampleScore, require_batch_fits
from .dataset import Dataset, Examples, Provenance, Splits
from .model import BayesianModel, FittedModel, Posterior, TrainingRegime
from .pool import NEEDS, Candidates, LabelledSet, Pool, Progress

__all__ = [
    "NEEDS",
    "AcquiredBatch",
    "AcquisitionFunction",
    "BayesianModel",
    "Candidates",
    "Dataset",
    "Examples",
    "FittedModel",
    "LabelledSet",
    "OneSampleScore",
    "Pool",
    "Posterior",
    "Progress",
    "Provenance",
    "Splits",
    "TrainingRegime",
    "require_batch_fits",
]
