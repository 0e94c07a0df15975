"""Shared fixtures: one thread, deterministic hypothesis, the device, and the folder of real data."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from run import fake_plugins

pytest_plugins = ["pytester", "softal_bench.conformance.timing"]

torch.set_num_threads(1)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs and their children ignore it
settings.register_profile("deterministic", derandomize=True, deadline=None, database=None, max_examples=60)
settings.load_profile("deterministic")

MNIST_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device on this machine")


@pytest.fixture(autouse=True)
def global_generator_at_zero() -> None:
    """Seed torch's global generator, so that weights and training dropout do not depend on the order of tests."""
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def temporary_folder_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Put the lock of cost measurements into a temporary folder, so that tests do not wait for a real measurement."""
    folder = str(tmp_path_factory.mktemp("temporary"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture(scope="session", params=["cpu", pytest.param("cuda", marks=[pytest.mark.cuda, needs_cuda])])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Run the test on the CPU and, if there is one, on the CUDA device."""
    return torch.device(request.param)


@pytest.fixture(scope="session")
def softal_data() -> Path:
    """Return the folder of real data, $SOFTAL_DATA, or skip the test if it lacks one of the four MNIST files."""
    named = os.environ.get("SOFTAL_DATA")
    if not named:
        pytest.skip("SOFTAL_DATA is not set; it names the folder that holds MNIST/raw")
    folder = Path(named)
    missing = [name for name in MNIST_FILES if not (folder / "MNIST" / "raw" / name).is_file()]
    if missing:
        pytest.skip(f"{', '.join(missing)} not found in {folder / 'MNIST' / 'raw'}")
    return folder


@pytest.fixture(scope="session")
def fakes_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an installed distribution of fake plugins."""
    folder = tmp_path_factory.mktemp("site")
    fake_plugins.install(folder)
    return folder


@pytest.fixture
def fakes(fakes_folder: Path) -> Iterator[None]:
    """Make the fake plugins visible to this process for one test."""
    with fake_plugins.seen(fakes_folder):
        yield


@pytest.fixture
def deadly(fakes: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the failure of a plugin end the process, as far as the runner can see: nothing catches the error."""
    monkeypatch.setattr("softal_bench.trial.attribution.PluginFailed", fake_plugins.Gone)


@pytest.fixture
def fakes_for_children(fakes: None, fakes_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the fake plugins visible to commands started in other processes, too."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(fakes_folder), *sys.path]))


@pytest.fixture(scope="session")
def cifar10_subset() -> Path:
    """Return the file of real CIFAR-10 images, $SOFTAL_DATA/cifar10_subset.npz, or skip the test if it is missing."""
    path = Path(os.environ.get("SOFTAL_DATA", "/nowhere"), "cifar10_subset.npz")
    if not path.is_file():
        pytest.skip("SOFTAL_DATA does not hold cifar10_subset.npz")
    return path.resolve()
