"""Data sets that the package contains: tables of attributes, and sentence embeddings of texts."""

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from softal_bench.contracts import Dataset, Examples, Provenance, Splits
from softal_bench.contracts.dataset import count_overlap


class FeatureSet(Dataset):
    """A data set whose inputs are features, from a file of the package; `plugins/softal_plugins/data` names its source.

    Attributes:
        name: the name of the file, without its suffix.
        each_feature: whether each feature is standardised on its own, with its training mean and standard deviation.
            Otherwise all are divided by the standard deviation of all training values.
    """

    name: ClassVar[str]
    each_feature: ClassVar[bool]

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        return _splits(self.name, self.each_feature)


@cache
def _splits(name: str, each_feature: bool) -> Splits:
    content = (files("softal_plugins") / "data" / f"{name}.npz").read_bytes()
    arrays = dict(np.load(io.BytesIO(content)))
    inputs = {part: arrays[f"{part}_inputs"].astype(np.float32) for part in ("train", "test")}
    axis = 0 if each_feature else None
    mean, std = inputs["train"].mean(axis=axis), inputs["train"].std(axis=axis)
    std = np.where(std > 0, std, 1)
    num_classes = len(arrays["classes"])
    train, test = (
        Examples(
            torch.from_numpy((inputs[part] - mean) / std),
            torch.from_numpy(arrays[f"{part}_labels"].astype(np.int64)),
            num_classes,
        )
        for part in ("train", "test")
    )
    return Splits(
        train,
        test,
        Provenance(name, len(train), hashlib.sha256(content).hexdigest()),
        overlap=count_overlap(train.inputs, test.inputs),
    )


@dataclass(frozen=True)
class Letter(FeatureSet):
    """UCI Letter Recognition: 16 attributes of distorted images of letters, 26 classes; 16 000 training examples."""

    citation = "Frey and Slate 1991, Letter Recognition Using Holland-Style Adaptive Classifiers; UCI, CC BY 4.0"
    each_feature = True
    name = "letter"


@dataclass(frozen=True)
class Satellite(FeatureSet):
    """UCI Statlog (Landsat Satellite): 36 spectral values of 3 x 3 pixels, 6 classes; 4435 training examples."""

    citation = "Srinivasan 1993, Statlog (Landsat Satellite); UCI, CC BY 4.0"
    each_feature = True
    name = "satellite"


@dataclass(frozen=True)
class DNA(FeatureSet):
    """UCI splice junctions, as in Statlog: 180 indicators of nucleotides, 3 classes; 2000 training examples."""

    citation = "Noordewier, Towell and Shavlik 1991, Molecular Biology (Splice-junction Gene Sequences); UCI, CC BY 4.0"
    each_feature = True
    name = "dna"


@dataclass(frozen=True)
class Reuters8(FeatureSet):
    """Reuters-21578 R8: sentence embeddings of 5485 training documents, 8 unbalanced classes (41 to 2840 documents).

    The inputs are 128 principal components of all-MiniLM-L6-v2 embeddings.
    """

    citation = (
        "Lewis 1997, Reuters-21578; Cardoso-Cachopo 2007; embeddings: Reimers and Gurevych 2019, arXiv:1908.10084"
    )
    each_feature = False
    name = "reuters8"


@dataclass(frozen=True)
class News20(FeatureSet):
    """20 Newsgroups, split by date: sentence embeddings of 11 293 training documents, 20 classes.

    The inputs are 128 principal components of all-MiniLM-L6-v2 embeddings.
    """

    citation = "Lang 1995, NewsWeeder; Cardoso-Cachopo 2007; embeddings: Reimers and Gurevych 2019, arXiv:1908.10084"
    each_feature = False
    name = "news20"
