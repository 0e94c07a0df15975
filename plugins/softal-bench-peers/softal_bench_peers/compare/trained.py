"""A LeNet trained on 60 labels of RepeatedMNIST in the regime of Table 1, and its log-probs; kept between runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from softal_plugins.datasets.mnist import MNIST
from softal_plugins.datasets.repeated import Repeated
from softal_plugins.models.lenet5 import LeNet5
from torch import Tensor, nn

from softal_bench.bayes.mc_dropout import FittedMCDropout
from softal_bench.bayes.training import fit_mc_dropout
from softal_bench.contracts import Examples, TrainingRegime
from softal_bench.seeding import Seeds

from .settings import Settings

LABELS, VALIDATION = 60, 4096
SEEDS = Seeds(0, 0)
_CHUNK = 512  # inputs predicted at a time, as the pool over a posterior does


@dataclass(frozen=True)
class Task:
    """RepeatedMNIST on the device: 60 labelled points, validation, pool and test."""

    labelled: Examples
    validation: Examples
    pool: Examples
    test: Examples


@dataclass(frozen=True)
class Trained:
    """The trained network, and how many epochs early stopping let it have."""

    network: nn.Sequential
    epochs: int


class CountedEpochs(nn.Sequential):
    """A network that counts how often it is put into training mode, which is once an epoch."""

    epochs = 0

    def train(self, mode: bool = True) -> "CountedEpochs":
        self.epochs += mode
        return super().train(mode)


@cache
def task(settings: Settings) -> Task:
    """The data of all works: MNIST twice with noise of 0.1, split as a trial splits it."""
    splits = Repeated(MNIST(), times=2, noise_std=0.1).load(settings.data_dir, SEEDS.generator("dataset"))
    order = torch.randperm(len(splits.train), generator=SEEDS.generator("validation"))
    labelled, validation, pool = torch.tensor_split(order, (LABELS, LABELS + VALIDATION))
    return Task(
        splits.train.at(labelled).to(settings.device),
        splits.train.at(validation).to(settings.device),
        splits.train.at(pool).to(settings.device),
        splits.test.to(settings.device),
    )


def regime(settings: Settings) -> TrainingRegime:
    """Table 1's: batch 64, 24 576 draws an epoch, at most 10 epochs, patience 3 on validation NLL."""
    return TrainingRegime(epoch_draws=640, max_epochs=2) if settings.quick else TrainingRegime()


@cache
def trained(settings: Settings) -> Trained:
    """The network, trained by this suite or read from an earlier run's file."""
    path = settings.work_dir / f"lenet5-{settings.device.type}.pt"
    if not path.is_file():
        network = _train(settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"weights": network.state_dict(), "epochs": network.epochs}, path)
    kept = torch.load(path, map_location=settings.device, weights_only=True)
    network_read = LeNet5().network(10).to(settings.device).to(memory_format=torch.channels_last)
    network_read.load_state_dict(kept["weights"])
    return Trained(network_read, int(kept["epochs"]))


def pool_log_probs(settings: Settings, points: int, num_samples: int) -> Tensor:
    """log_probs_N_K_C, float32 on the device, of the first N points of the pool under K masks."""
    path = settings.work_dir / f"log_probs-{settings.device.type}-{points}-{num_samples}.pt"
    if path.is_file():
        kept: Tensor = torch.load(path, map_location=settings.device, weights_only=True)
        return kept
    posterior = FittedMCDropout(trained(settings).network).posterior(num_samples, SEEDS.generator("posterior"))
    inputs = task(settings).pool.inputs[:points]
    log_probs_N_K_C = torch.cat([posterior.log_probs(inputs_n) for inputs_n in chunks(inputs)])
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(log_probs_N_K_C, path)
    return log_probs_N_K_C


def _train(settings: Settings) -> CountedEpochs:
    data, built = task(settings), []

    def build() -> CountedEpochs:
        built.append(CountedEpochs(*LeNet5().network(10)))
        return built[0]

    generator = SEEDS.generator("training")
    fit_mc_dropout(build, data.labelled, data.validation, regime(settings), settings.device, generator)
    return built[0]


def chunks(inputs: Tensor) -> Iterator[Tensor]:
    """The inputs in the chunks in which a pool predicts them."""
    yield from torch.split(inputs, _CHUNK)
