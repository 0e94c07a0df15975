"""CIFAR-10 and its model: files in torchvision's format, and images that a ResNet-18 learns from."""

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from softal_plugins.datasets import cifar10
from softal_plugins.datasets.arrays import Arrays
from softal_plugins.datasets.cifar10 import CIFAR10
from softal_plugins.models.resnet18 import ResNet18
from torchvision import datasets

from softal_bench.bayes.mc_dropout import CombinedPosterior, draw_masks, log_probs_plain, posterior_of
from softal_bench.bayes.training import accuracy_and_nll, evaluation_log_probs
from softal_bench.contracts import Examples, TrainingRegime
from softal_bench.errors import DataError, DataMissingError

BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def small_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write files in the original format with two images each, and let torchvision expect their checksums."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    contents = {"batches.meta": pickle.dumps({"label_names": [f"class {c}" for c in range(10)]})}
    for number, name in enumerate(BATCHES):
        pixels = np.random.default_rng(number).integers(0, 256, (2, 3072)).astype(np.uint8)
        contents[name] = pickle.dumps({"data": pixels, "labels": [number, 9]})
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    sums = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[name, sums[name]] for name in BATCHES[:5]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(
        datasets.CIFAR10,
        "meta",
        {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]},
    )
    return tmp_path


def test_images_are_normalised_by_colour_and_keep_their_order(small_files: Path) -> None:
    splits = CIFAR10().load(small_files, torch.Generator())
    assert splits.train.inputs.shape == (10, 3, 32, 32)
    assert splits.train.labels.tolist() == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert splits.test.labels.tolist() == [5, 9]
    pixels = np.random.default_rng(2).integers(0, 256, (2, 3072)).astype(np.uint8).reshape(2, 3, 32, 32)
    for colour in range(3):
        expected = (pixels[0, colour] / 255 - cifar10.MEAN[colour]) / cifar10.STD[colour]
        assert splits.train.inputs[4, colour].numpy() == pytest.approx(expected, abs=1e-5)
    assert (splits.provenance.name, splits.provenance.size) == ("cifar10", 10)


@pytest.mark.parametrize("lacking", [*BATCHES, "batches.meta"])
def test_the_error_for_a_missing_file_names_it(small_files: Path, lacking: str) -> None:
    (small_files / "cifar-10-batches-py" / lacking).unlink()
    with pytest.raises(DataMissingError, match=rf"cifar10: {lacking} not found in .*--data-dir"):
        CIFAR10().load(small_files, torch.Generator())


def test_a_modified_file_is_rejected_and_not_unpickled(small_files: Path) -> None:
    class Planted:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (pytest.fail, ("the file was unpickled",))

    (small_files / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps(Planted()))
    with pytest.raises(DataError, match=r"cifar-10-batches-py cannot be read as CIFAR10: .*corrupt"):
        CIFAR10().load(small_files, torch.Generator())


def test_one_run_of_the_resnets_trunk_serves_all_masks(device: torch.device) -> None:
    network = ResNet18().network(10).to(device).eval()
    inputs = torch.randn(3, 3, 32, 32, generator=seeded(0)).to(device)
    masks = draw_masks(network, 7, seeded(1))
    posterior = posterior_of(network, masks)
    assert isinstance(posterior, CombinedPosterior)
    runs = []
    network[0].register_forward_hook(lambda *_: runs.append(1))
    fast = posterior.log_probs(inputs)
    assert len(runs) == 1
    plain = log_probs_plain(network, masks, inputs)
    assert (fast - plain).abs().max() <= 1e-5 * max(1.0, plain.abs().max().item())


def test_the_resnet_has_a_stem_for_32x32_images_and_the_papers_head() -> None:
    network = ResNet18().network(10)
    trunk = network[0]
    assert trunk(torch.zeros(2, 3, 32, 32)).shape == (2, 512)
    stem = trunk.conv1
    assert isinstance(stem, torch.nn.Conv2d)
    assert stem.kernel_size == (3, 3)
    assert stem.stride == (1, 1)
    assert [type(layer).__name__ for layer in network[1:]] == [
        "MCDropout",
        "Linear",
        "ReLU",
        "MCDropout",
        "Linear",
        "Linear",
        "LogSoftmax",
    ]
    assert [tuple(layer.weight.shape) for layer in network if isinstance(layer, torch.nn.Linear)] == [
        (256, 512),
        (256, 256),
        (10, 256),
    ]


@pytest.mark.parametrize("shape", [(12,), (3, 4, 4)])
def test_features_and_small_images_are_rejected(shape: tuple[int, ...]) -> None:
    examples = Examples(torch.zeros(4, *shape), torch.arange(4) % 2, 2)
    with pytest.raises(DataError, match="resnet18 takes images"):
        ResNet18().fit(examples, examples, TrainingRegime(), torch.device("cpu"), seeded(0))


@pytest.mark.slow
def test_the_resnet_learns_real_images_better_than_chance(cifar10_subset: Path) -> None:
    splits = Arrays(str(cifar10_subset)).load(Path("/nowhere"), torch.Generator())
    order = torch.randperm(len(splits.train), generator=seeded(0))
    labelled, validation = splits.train.at(order[:600]), splits.train.at(order[600:800])
    regime = TrainingRegime(batch_size=32, epoch_draws=960, max_epochs=2, patience=[1, 1], augmentation="crop_and_flip")
    fitted = ResNet18().fit(labelled, validation, regime, torch.device("cpu"), seeded(0))
    some = splits.test.at(torch.arange(0, 1000, 2))
    unseen = some
    log_probs_n_C = evaluation_log_probs(fitted, unseen.inputs, 4, TrainingRegime(), seeded(1))
    accuracy, _ = accuracy_and_nll(log_probs_n_C, unseen.labels)
    assert accuracy > 0.1 + 4 * (0.1 * 0.9 / len(some)) ** 0.5  # chance plus four standard deviations
