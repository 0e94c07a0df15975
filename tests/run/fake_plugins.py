"""Plugins that fail in different ways, installed as any third-party distribution is: by entry points."""

import collections
import contextlib
import ctypes
import functools
import gc
import itertools
import operator
import os
import random
import shutil
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import threadpoolctl
import torch
from torch import Tensor

from softal_bench.contracts import (
    AcquiredBatch,
    AcquisitionFunction,
    BayesianModel,
    Dataset,
    Examples,
    FittedModel,
    Pool,
    Posterior,
    Splits,
    TrainingRegime,
)
from softal_bench.errors import SelectionError
from softal_bench.registry import datasets, registries
from softal_bench.seeding import Seeds

MODULE = "softal_fakes"
REASON = "the dog ate the scores"
DEATH = "gone without a word"


class Gone(BaseException):
    """An error that no `except Exception` catches: the process is as good as dead."""


class Unspeakable(Exception):
    """An error that cannot be turned into text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def top(batch_size: int) -> AcquiredBatch:
    return AcquiredBatch(torch.arange(batch_size), torch.zeros(batch_size))


@dataclass(frozen=True)
class TooFew(AcquisitionFunction):
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return top(batch_size - 1)


@dataclass(frozen=True)
class NaNScore(AcquisitionFunction):
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return AcquiredBatch(torch.arange(batch_size), torch.full((batch_size,), torch.nan))


@dataclass(frozen=True)
class Raises(AcquisitionFunction):
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        raise RuntimeError(REASON)


@dataclass(frozen=True)
class RaisesOurs(AcquisitionFunction):
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        raise SelectionError(REASON)


@dataclass(frozen=True)
class Exits(AcquisitionFunction):
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        raise SystemExit(0)


@dataclass(frozen=True)
class Hungry(AcquisitionFunction):
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        raise MemoryError


@dataclass(frozen=True)
class HungryForTensors(AcquisitionFunction):
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        torch.empty(2**50)
        return top(batch_size)


@dataclass(frozen=True)
class HungryOnCUDA(AcquisitionFunction):
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


@dataclass(frozen=True)
class Vanishes(AcquisitionFunction):
    """Fails in its second round; this ends the process if `deadly` makes failures of plugins deadly."""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        if pool.progress.num_labelled > 10:
            raise RuntimeError(DEATH)
        return top(batch_size)


@dataclass(frozen=True)
class WantsFeatures(AcquisitionFunction):
    needs = frozenset({"features"})

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return top(batch_size)


@dataclass(frozen=True)
class Naps(AcquisitionFunction):
    """Sleeps before it chooses."""

    seconds: float = 0.2

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        time.sleep(self.seconds)
        return top(batch_size)


@dataclass(frozen=True)
class Names(AcquisitionFunction):
    """Has parameters of many types and reads none of them."""

    number: float = 1.0
    word: str = "word"
    flag: bool = False
    maybe: int | None = None

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return top(batch_size)


@dataclass(frozen=True)
class Crashes(AcquisitionFunction):
    """Crashes as `how` says at `labels` labels, at most `times` times; notes each crash in the file `notes`."""

    how: str = "segfault"
    labels: int = 15
    times: int = 1000
    notes: str = "/dev/null"

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        notes = Path(self.notes)
        if pool.progress.num_labelled == self.labels and notes.stat().st_size < self.times:
            with notes.open("a") as file:
                file.write(".")
            CRASHES[self.how]()
        return top(batch_size)


def _wait_for_ever(caught: type[BaseException] = Exception) -> None:
    while True:
        with contextlib.suppress(caught):
            time.sleep(1)


def _wait_in_c() -> None:
    """Wait in C, so that no signal handler of Python and no other thread runs in the meantime."""
    collections.deque(itertools.repeat(0), maxlen=0)


def _print_garbage() -> None:
    for descriptor in (1, 2):
        os.write(descriptor, bytes(range(256)) * 4)
    sys.stdout.write('{"kind": "end", "status": "done"}\n["done"]\n')
    sys.stdout.flush()


def _keep_what_is_ours() -> None:
    """Exit after forking a child that outlives the worker and keeps its open files."""
    if os.fork() == 0:
        time.sleep(3)
        os._exit(0)
    ctypes.CDLL(None)._exit(4)


def _raise(error: BaseException) -> None:
    raise error


CRASHES: dict[str, Callable[[], object]] = {
    "segfault": lambda: ctypes.string_at(0),
    "exit": lambda: ctypes.CDLL(None)._exit(3),
    "os._exit": lambda: os._exit(0),
    "assert": lambda: torch.zeros(3, device="cuda")[torch.tensor([7], device="cuda")],
    "unspeakable": lambda: _raise(Unspeakable()),
    "gone": lambda: _raise(Gone(DEATH)),
    "surrogate": lambda: _raise(RuntimeError("half a character: \udc80")),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "child": _keep_what_is_ours,
    "hang": _wait_for_ever,
    "hang in C": _wait_in_c,
    "garbage": _print_garbage,
    "stubborn": lambda: _wait_for_ever(BaseException),
}


@dataclass(frozen=True)
class WantsTargets(AcquisitionFunction):
    """Reads the targets, then takes the first points."""

    needs = frozenset({"targets"})

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        assert sum(len(positions_m) for positions_m, _ in pool.targets.log_probs()) == pool.targets.size
        return top(batch_size)


class FlatPosterior(Posterior):
    """Gives all classes the same probability, in `num_samples` samples."""

    def __init__(self, num_samples: int, num_classes: int, value: float = 0.0) -> None:
        self._shape = (num_samples, num_classes)
        self._value = value

    @property
    def num_samples(self) -> int:
        return self._shape[0]

    def log_probs(self, inputs: Tensor) -> Tensor:
        flat: Tensor = torch.full((len(inputs), *self._shape), self._value, device=inputs.device).log_softmax(dim=-1)
        return flat


@dataclass(frozen=True)
class FlatFit(FittedModel):
    num_classes: int
    value: float = 0.0
    most_samples: int = 1000

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        if num_samples > self.most_samples:
            raise RuntimeError(REASON)
        return FlatPosterior(num_samples, self.num_classes, self.value)

    def embeddings(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)


class Flat(BayesianModel):
    """A model that learns nothing and takes no time."""

    def fit(
        self,
        labelled: Examples,
        validation: Examples,
        training: TrainingRegime,
        device: torch.device,
        generator: torch.Generator,
    ) -> FittedModel:
        return self.fitted(labelled)

    def fitted(self, labelled: Examples) -> FittedModel:
        return FlatFit(labelled.num_classes)


@dataclass(frozen=True)
class FlatModel(Flat):
    pass


@dataclass(frozen=True)
class OffersNothing(Flat):
    """Declares that it has no embeddings, no head and no distillation."""

    offers = frozenset()


@dataclass(frozen=True)
class ModelRaises(Flat):
    def fitted(self, labelled: Examples) -> FittedModel:
        raise RuntimeError(REASON)


@dataclass(frozen=True)
class ModelPredictsNaN(Flat):
    def fitted(self, labelled: Examples) -> FittedModel:
        return FlatFit(labelled.num_classes, value=torch.nan)


@dataclass(frozen=True)
class ModelWithoutPosterior(Flat):
    """Evaluates with 2 samples (as in the tiny suite), but cannot draw the 4 samples for the acquisition function."""

    def fitted(self, labelled: Examples) -> FittedModel:
        return FlatFit(labelled.num_classes, most_samples=3)


@dataclass(frozen=True)
class LostInTrialOne(Dataset):
    """The digits, which cannot be loaded in trial 1 of seed 0."""

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        if generator.initial_seed() == Seeds(0, 1).seed("dataset"):
            raise RuntimeError(REASON)
        return datasets.build("digits").load(root, generator)


@dataclass(frozen=True)
class Lost(Dataset):
    """A data set that can never be loaded."""

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        raise RuntimeError(REASON)


@dataclass(frozen=True)
class Deadly(Dataset):
    """Kills the process that loads it."""

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


@dataclass(frozen=True)
class Careless(FlatFit):
    """Makes the change `what` in each call of the function `where`."""

    what: str = ""
    where: str = "log_probs"

    def posterior(self, num_samples: int, generator: torch.Generator) -> Posterior:
        self._change_in("posterior")
        return CarelessPosterior(num_samples, self.num_classes, lambda: self._change_in("log_probs"))

    def embeddings(self, inputs: Tensor) -> Tensor:
        self._change_in("embeddings")
        return super().embeddings(inputs)

    def distil(
        self,
        inputs: Tensor,
        target_log_probs_N_C: Tensor,
        epochs: int,
        training: TrainingRegime,
        generator: torch.Generator,
    ) -> FittedModel:
        self._change_in("distil")
        return self

    def _change_in(self, function: str) -> None:
        if function == self.where:
            CHANGES[self.what]()


class CarelessPosterior(FlatPosterior):
    def __init__(self, num_samples: int, num_classes: int, change: Callable[[], object]) -> None:
        super().__init__(num_samples, num_classes)
        self._change = change

    def log_probs(self, inputs: Tensor) -> Tensor:
        self._change()
        return super().log_probs(inputs)


def _change_precision_of(owner: str) -> Callable[[], object]:
    """Return a function that changes torch.<owner>.fp32_precision to another value."""

    def change() -> None:
        found = operator.attrgetter(owner)(torch)
        found.fp32_precision = "ieee" if found.fp32_precision == "tf32" else "tf32"

    return change


def _flush_denormals() -> None:
    torch.set_flush_denormal(True)


def _use_two_threads_in_blas() -> None:
    for each in threadpoolctl.ThreadpoolController().lib_controllers:
        each.set_num_threads(2)


PRECISION_OWNERS = (
    "backends",
    "backends.cuda.matmul",
    "backends.cudnn",
    "backends.cudnn.conv",
    "backends.cudnn.rnn",
    "backends.mkldnn",
    "backends.mkldnn.matmul",
    "backends.mkldnn.conv",
    "backends.mkldnn.rnn",
)
# Changes that a plugin may make to the process, by the names of settings in `softal_bench.machine.settings`.
CHANGES: dict[str, Callable[[], object]] = {
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's default device": lambda: torch.set_default_device("meta"),
    "torch's grad mode": lambda: torch.set_grad_enabled(False),
    "torch's float32 matmul precision": lambda: torch.set_float32_matmul_precision("medium"),
    **{f"torch.{owner}.fp32_precision": _change_precision_of(owner) for owner in PRECISION_OWNERS},
    "torch.backends.cuda.matmul.allow_tf32": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
    **{
        f"torch.backends.cuda.matmul.{name}": functools.partial(setattr, torch.backends.cuda.matmul, name, False)
        for name in ("allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction")
    },
    "torch.backends.cudnn.allow_tf32": lambda: setattr(torch.backends.cudnn, "allow_tf32", True),
    "torch.backends.cudnn.benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "torch.backends.cudnn.enabled": lambda: setattr(torch.backends.cudnn, "enabled", False),
    "torch.backends.cudnn.deterministic": lambda: setattr(torch.backends.cudnn, "deterministic", False),
    "torch's deterministic algorithms": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "torch's autocast on cpu": lambda: torch.set_autocast_enabled("cpu", True),
    "torch's autocast on cuda": lambda: torch.set_autocast_enabled("cuda", True),
    "torch's anomaly mode": lambda: torch.set_anomaly_enabled(True),
    "torch's number of threads": lambda: torch.set_num_threads(2),
    "the flushing of denormal numbers": _flush_denormals,
    "torch's global generator": lambda: torch.manual_seed(3),
    "NumPy's global generator": np.random.rand,
    "Python's global generator": random.random,
    "the number of threads of native libraries": _use_two_threads_in_blas,
    "the working folder": lambda: os.chdir("/"),
    "environment variables (SOFTAL_FAKE": lambda: os.environ.update(SOFTAL_FAKE="1"),
    "environment variables (PATH": lambda: os.environ.pop("PATH"),
    "the handler of SIGINT": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "the handler of SIGTERM": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "the handler of SIGALRM": lambda: signal.signal(signal.SIGALRM, signal.SIG_IGN),
    "the handler of SIGHUP": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    "the timer of SIGALRM": lambda: signal.alarm(1000),
    "NumPy's handling of floating-point errors": lambda: np.seterr(all="raise"),
    "warning filters": lambda: warnings.simplefilter("error"),
    "garbage collection": gc.disable,
}


@dataclass(frozen=True)
class ChangesInSelect(AcquisitionFunction):
    what: str = ""

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        batch = top(batch_size)
        CHANGES[self.what]()
        return batch


@dataclass(frozen=True)
class ChangesInFit(Flat):
    what: str = ""

    def fitted(self, labelled: Examples) -> FittedModel:
        CHANGES[self.what]()
        return super().fitted(labelled)


@dataclass(frozen=True)
class ChangesInPrediction(Flat):
    what: str = ""
    where: str = "log_probs"

    def fitted(self, labelled: Examples) -> FittedModel:
        return Careless(labelled.num_classes, what=self.what, where=self.where)


@dataclass(frozen=True)
class ChangesInLoad(Dataset):
    what: str = ""

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        CHANGES[self.what]()
        return datasets.build("digits").load(root, generator)


@dataclass(frozen=True)
class ChangesInPrepare(Dataset):
    what: str = ""

    def prepare(self, root: Path) -> None:
        CHANGES[self.what]()

    def load(self, root: Path, generator: torch.Generator) -> Splits:
        return datasets.build("digits").load(root, generator)


@dataclass(frozen=True)
class PeakRaises(AcquisitionFunction):
    """Raises when it is asked for its peak memory."""

    def peak_bytes(self, pool_size: int, num_samples: int, num_classes: int, batch_size: int) -> int | None:
        raise RuntimeError(REASON)

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return top(batch_size)


@dataclass(frozen=True)
class SamplesRaise(Flat):
    """Raises when it is asked how many posterior samples an evaluation needs."""

    @property
    def evaluation_samples(self) -> int:
        raise RuntimeError(REASON)


@dataclass(frozen=True)
class ChangesWhenBuilt(AcquisitionFunction):
    def __post_init__(self) -> None:
        torch.set_default_dtype(torch.float64)

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        return top(batch_size)


@dataclass(frozen=True)
class Undeclared(AcquisitionFunction):
    """Reads something that it has not declared."""

    what: str = "embeddings"

    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        read = getattr(pool, self.what)
        if callable(read):
            read()
        return top(batch_size)


PLUGINS = {
    "acquisitions": {
        "too_few": "TooFew",
        "nan_score": "NaNScore",
        "always_raises": "Raises",
        "raises_ours": "RaisesOurs",
        "exits": "Exits",
        "hungry": "Hungry",
        "hungry_for_tensors": "HungryForTensors",
        "hungry_on_cuda": "HungryOnCUDA",
        "vanishes": "Vanishes",
        "crashes": "Crashes",
        "names": "Names",
        "naps": "Naps",
        "wants_targets": "WantsTargets",
        "wants_features": "WantsFeatures",
        "changes_in_select": "ChangesInSelect",
        "changes_when_built": "ChangesWhenBuilt",
        "undeclared": "Undeclared",
        "peak_raises": "PeakRaises",
        "not_there": "NotThere",
        "not_a_plugin": "install",
    },
    "models": {
        "flat": "FlatModel",
        "offers_nothing": "OffersNothing",
        "model_raises": "ModelRaises",
        "changes_in_fit": "ChangesInFit",
        "changes_in_prediction": "ChangesInPrediction",
        "samples_raise": "SamplesRaise",
        "model_predicts_nan": "ModelPredictsNaN",
        "model_without_posterior": "ModelWithoutPosterior",
    },
    "datasets": {
        "lost_in_trial_one": "LostInTrialOne",
        "lost": "Lost",
        "deadly": "Deadly",
        "changes_in_load": "ChangesInLoad",
        "changes_in_prepare": "ChangesInPrepare",
    },
}


def install(folder: Path) -> None:
    """Put this module and the metadata of a distribution that offers its plugins into a folder of sys.path."""
    shutil.copy(__file__, folder / f"{MODULE}.py")
    metadata = folder / f"{MODULE}-1.2.3.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: softal-fakes\nVersion: 1.2.3\n")
    (metadata / "entry_points.txt").write_text("\n".join(_entry_points()))


@contextmanager
def seen(folder: Path) -> Iterator[None]:
    """Make what is installed in the folder visible to the registries of this process."""
    sys.path.insert(0, str(folder))
    _forget_entry_points()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        _forget_entry_points()


def _forget_entry_points() -> None:
    for registry in registries.values():
        vars(registry).pop("_entry_points", None)
        vars(registry)["_broken"].clear()


def _entry_points() -> Iterator[str]:
    for kind, plugins in PLUGINS.items():
        yield f"[softal_bench.{kind}]"
        yield from (f"{name} = {MODULE}:{plugin}" for name, plugin in plugins.items())
