"""Bad input is answered by one clear message and exit code 2, and nothing is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from suite.example import acquiring, write_suite

from .conftest import CommandLine, Outcome

COMMANDS = (["run"], ["run", "--dry-run"], ["leaderboard"], ["check"])


def refused(cli: CommandLine, *arguments: object) -> str:
    """Return the message of a refused command, after checking that it is a message and that nothing is written."""
    before = cli.files()
    outcome = cli(*arguments)
    assert outcome.exit_code == 2, outcome.output
    assert cli.files() == before
    return message(outcome)


def message(outcome: Outcome) -> str:
    assert "Traceback" not in outcome.output
    started = [number for number, line in enumerate(outcome.lines) if line.startswith("Error: ")]
    assert len(started) == 1
    lines = outcome.lines[started[0] :]
    assert len(lines) <= 2, outcome.output
    assert max(map(len, lines)) < 1000
    return "\n".join(lines).removeprefix("Error: ")


TEXTS = {
    "empty": ("", ["tiny.yaml: the file is empty"]),
    "not YAML": ("name: [", ["tiny.yaml: line 1", "invalid YAML"]),
    "not text": ("name: \x00", ["tiny.yaml: ", "invalid YAML"]),
    "not a mapping": ("- a", ["tiny.yaml: need a mapping of keys; got list"]),
    "a repeated key": ("name: a\nname: b", ["tiny.yaml: line 2", "'name' is repeated"]),
    "a NaN": ("name: a\nbudget: .nan", ["tiny.yaml: budget: nan is not a finite number"]),
    "a tag that would run code": ("name: !!python/object/apply:os.mkdir [x]", ["tiny.yaml: line 1", "tag"]),
    "an anchor that contains itself": ("name: &a [*a]", ["tiny.yaml: line 1", "contains itself"]),
    "anchors that would blow up": (
        "a: &a [x, x]\n"
        + "\n".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefg", "bcdefgh", strict=True)),
        ["tiny.yaml: more than 200000 values"],
    ),
    "a wrong type for a tag": ("name: !!bool maybe", ["tiny.yaml: "]),
}

CHANGES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an unknown key": ({"trails": 3}, ["unknown key 'trails'; did you mean 'trials'?"]),
    "a wrong type": ({"budget": "many"}, ["budget: ", "integer", "got 'many'"]),
    "a negative size": ({"validation_size": -1}, ["validation_size: ", "greater than or equal to 0", "got -1"]),
    "a size of zero": ({"matrix": acquiring("bald", batch_sizes=(0,))}, ["matrix.batch_size[0]: ", "got 0"]),
    "a name with a path in it": ({"name": "../up"}, ["name: ", "got '../up'"]),
    "the name of the index": ({"name": "README"}, ["name: ", "README"]),
    "a budget below the start set": ({"budget": 9}, ["budget: 9 is below initial.size"]),
    "a temperature of zero": (
        {"matrix": acquiring({"softmax": {"temperature": 0}})},
        ["matrix.acquisition[0]: softmax: temperature is 0", "positive and finite"],
    ),
    "a negative temperature": (
        {"matrix": acquiring({"power": {"temperature": -1}})},
        ["matrix.acquisition[0]: power: temperature is -1", "positive and finite"],
    ),
    "an infinite temperature": (
        {"matrix": acquiring({"softrank": {"temperature": float("inf")}})},
        ["matrix.acquisition[0].softrank.temperature: inf is not a finite number"],
    ),
    "an unknown plugin": (
        {"matrix": acquiring("uniform", "bald", "sofmax")},
        [
            "matrix.acquisition[2]: unknown acquisition function 'sofmax'; did you mean 'softmax'?",
            "Installed: badge, bald, batch_epig_bald, batchbald",
        ],
    ),
    "an unknown model": ({"model": "lenet"}, ["model: unknown model 'lenet'; did you mean 'lenet5'?"]),
    "an unknown data set": ({"dataset": "digit"}, ["dataset: unknown data set 'digit'; did you mean 'digits'?"]),
    "an unknown parameter": (
        {"matrix": acquiring({"softmax": {"temprature": 1}})},
        ["matrix.acquisition[0]: softmax: unknown parameter 'temprature'; did you mean 'temperature'?"],
    ),
    "a rule over no one-sample score": (
        {"matrix": acquiring({"softmax": {"score": "batchbald"}})},
        ["matrix.acquisition[0]: softmax.score: 'batchbald' is not a OneSampleScore", "bald"],
    ),
    "an exclude that matches nothing": ({"exclude": [{"batch_size": 6}]}, ["exclude[0]: matches no condition"]),
    "an exclude of everything": ({"exclude": [{"batch_size": 5}]}, ["exclude: every condition is excluded"]),
    "an override that matches nothing": (
        {"overrides": [{"where": {"acquisition": "power"}, "set": {"seed": 1}}]},
        ["overrides[0].where: matches no condition"],
    ),
    "a matrix of no conditions": ({"matrix": acquiring()}, ["matrix.acquisition: ", "at least 1"]),
    "a matrix of too many": (
        {"matrix": {**acquiring("bald", batch_sizes=tuple(range(1, 501))), "seed": list(range(500))}},
        ["matrix: 250000 conditions; at most 100000"],
    ),
}

IN_THE_DATA: dict[str, tuple[dict[str, Any], list[str]]] = {
    "B larger than the pool": (
        {"matrix": acquiring("bald", batch_sizes=(5000,))},
        ["batch_size: 5000 is larger than the pool", "1297 training examples", "1255"],
    ),
    "a budget above the pool": (
        {"budget": 5000},
        ["budget: 5000 labels in batches of 5 need more than the pool's 1255"],
    ),
    "no pool left by the validation set": ({"validation_size": 1297}, ["validation_size: ", "1297 training examples"]),
    "a start set that cannot be balanced": (
        {"initial": {"size": 11, "balanced": True}},
        ["initial.size: 11 cannot be balanced over 10 classes"],
    ),
}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("case", TEXTS)
def test_a_file_that_is_not_a_suite_is_rejected(cli: CommandLine, case: str, command: list[str]) -> None:
    text, fragments = TEXTS[case]
    told = refused(cli, *command, write_suite(cli.folder, text))
    assert all(fragment in told for fragment in fragments), told


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("case", CHANGES)
def test_a_suite_with_invalid_values_is_refused(cli: CommandLine, case: str, command: list[str]) -> None:
    changes, fragments = CHANGES[case]
    told = refused(cli, *command, write_suite(cli.folder, **changes))
    assert "tiny.yaml: " in told
    assert all(fragment in told for fragment in fragments), told


@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"], ["check"]], ids=" ".join)
@pytest.mark.parametrize("case", IN_THE_DATA)
def test_a_suite_that_needs_more_data_than_exist_is_refused(cli: CommandLine, case: str, command: list[str]) -> None:
    changes, fragments = IN_THE_DATA[case]
    told = refused(cli, *command, write_suite(cli.folder, **changes))
    assert "tiny.yaml: " in told
    assert all(fragment in told for fragment in fragments), told


@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"], ["check"]], ids=" ".join)
def test_more_copies_than_fit_in_memory_are_refused(cli: CommandLine, command: list[str]) -> None:
    told = refused(cli, *command, write_suite(cli.folder, dataset={"repeated": {"of": "digits", "times": 10_000_000}}))
    for fragment in ("repeated: times is 10000000", "need about", "GiB are available", "lower times"):
        assert fragment in told


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_missing_suite_file_is_refused(cli: CommandLine, command: list[str]) -> None:
    assert refused(cli, *command, "no.yaml").startswith("no.yaml: no such suite file")


@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"], ["leaderboard"]], ids=" ".join)
@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (
            ["--only", "acquisition=sofmax"],
            ["--only acquisition=sofmax: matches no condition; acquisition is bald, uniform"],
        ),
        (["--only", "batch_size=6"], ["--only batch_size=6: matches no condition; batch_size is 5"]),
        (["--only", "bald"], ["--only bald: write --only KEY=VALUE"]),
        (["--only", "acq=bald"], ["--only acq=bald: unknown key 'acq'"]),
        (["--set", "trails=3"], ["unknown key 'trails'; did you mean 'trials'?"]),
        (["--set", "budget=many"], ["budget: ", "got 'many'"]),
        (["--set", "budget=.inf"], ["--set budget=.inf: inf is not a finite number"]),
        (["--set", "budget"], ["--set budget: write --set"]),
        (["--set", "batch_size=3"], ["--set batch_size=3: batch_size is varied in the matrix"]),
        (["--set", "name=!!python/name:os.system x"], ["--set name=", "tag"]),
        (["--set", "name=a\x07"], ["--set name="]),
    ],
    ids=str,
)
def test_an_invalid_option_is_refused(
    cli: CommandLine, command: list[str], arguments: list[str], fragments: list[str]
) -> None:
    told = refused(cli, *command, write_suite(cli.folder), *arguments)
    assert all(fragment in told for fragment in fragments), told


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:200"])
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_unavailable_cuda_is_refused(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, device: str, dry: list[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    told = refused(cli, "run", write_suite(cli.folder), "--device", device, *dry)
    assert f"device '{device}' was asked for, but torch sees no CUDA device here" in told
    told = refused(cli, "run", write_suite(cli.folder, device=device), *dry)
    assert "torch sees no CUDA device here; use --device cpu" in told


@pytest.mark.parametrize("device", ["gpu", "meta", "mps", "cuda:x", "cpu:1"])
def test_an_unknown_device_is_refused(cli: CommandLine, device: str) -> None:
    told = refused(cli, "run", write_suite(cli.folder), "--device", device)
    assert "auto" in told
    assert "cuda" in told


def test_a_cost_suite_has_no_trials(cli: CommandLine) -> None:
    assert "trials" in refused(cli, "run", write_suite(cli.folder, kind="cost"))


FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every download fail at once, whether or not this machine has a network."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr("torchvision.datasets.utils.urllib.request.urlopen", fail)
    monkeypatch.setattr("socket.socket.connect", fail)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("there", [False, True], ids=["no data folder", "an empty data folder"])
def test_the_error_for_missing_mnist_names_the_files_and_the_folder(cli: CommandLine, there: bool) -> None:
    if there:
        (cli.folder / "mine").mkdir()
    suite = write_suite(cli.folder, dataset={"repeated": {"of": "mnist"}}, model="lenet5")
    told = refused(cli, "run", suite, "--data-dir", "mine")
    assert all(name in told for name in FILES)
    assert str(Path("mine") / "MNIST" / "raw") in told
    assert "--data-dir" in told
    assert "SOFTAL_DATA" in told


@pytest.mark.usefixtures("no_network")
def test_only_the_missing_mnist_files_are_named(cli: CommandLine) -> None:
    raw = cli.folder / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES[:2]:
        (raw / name).write_bytes(b"\x00")
    told = refused(cli, "run", write_suite(cli.folder, dataset="mnist", model="lenet5"))
    assert [name in told.partition("not found")[0] for name in FILES] == [False, False, True, True]
    assert str(raw) in told


def test_invalid_mnist_files_are_refused(cli: CommandLine) -> None:
    raw = cli.folder / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in FILES:
        (raw / name).write_bytes(b"not an IDX file")
    told = refused(cli, "run", write_suite(cli.folder, dataset="mnist", model="lenet5"))
    assert str(raw) in told
    assert "cannot be read as MNIST" in told


@pytest.mark.usefixtures("no_network")
def test_missing_or_invalid_cifar10_files_are_refused(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, dataset="cifar10", model="resnet18")
    told = refused(cli, "run", suite)
    assert "cifar10: data_batch_1, " in told
    assert "--data-dir" in told
    folder = cli.folder / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"]:
        (folder / name).write_bytes(b"not a batch")
    told = refused(cli, "run", suite)
    assert str(folder) in told
    assert "cannot be read as CIFAR10" in told


@pytest.mark.parametrize("acquisition", ["bald", "epig_bald", {"power": {"score": "bald"}}, "batchbald"])
def test_one_posterior_sample_is_too_few_for_bald(cli: CommandLine, acquisition: Any) -> None:
    matrix = {"batch_size": [5], "acquisition": [acquisition]}
    told = refused(cli, "run", write_suite(cli.folder, posterior_samples=1, matrix=matrix))
    assert "posterior_samples: K is 1" in told
    assert "at least 2" in told


@pytest.mark.usefixtures("no_network")
def test_a_dry_run_and_a_check_report_missing_data_as_not_checked(cli: CommandLine) -> None:
    suite = write_suite(cli.folder, dataset="mnist", model="lenet5")
    before = cli.files()
    for command in (["run", "--dry-run"], ["check"]):
        outcome = cli(*command, suite)
        assert outcome.exit_code == 0
        assert "not checked against" in outcome.output
        assert "train-images-idx3-ubyte" in outcome.output
    assert cli.files() == before


def arrays(**changes: Any) -> dict[str, Any]:
    """Return the arrays of a sound file with some changed; None leaves an array out."""
    generator = np.random.default_rng(0)
    sound = {
        "train_images": generator.random((80, 8, 8), dtype=np.float32),
        "train_labels": np.arange(80) % 4,
        "test_images": generator.random((20, 8, 8), dtype=np.float32),
        "test_labels": np.arange(20) % 4,
    }
    return {name: value for name, value in (sound | changes).items() if value is not None}


def image_with_nan() -> Any:
    images = np.zeros((80, 8, 8), dtype=np.float32)
    images[3, 2, 1] = np.nan
    return images


ARRAYS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "an array missing": ({"test_labels": None}, ["lacks test_labels", "it has train_images"]),
    "two arrays missing": ({"train_images": None, "test_labels": None}, ["lacks train_images, test_labels"]),
    "fewer labels than images": ({"train_labels": np.arange(79) % 4}, ["train", "80", "79", "do not fit together"]),
    "labels in a table": (
        {"train_labels": np.eye(80, 4)},
        ["train_labels has shape (80, 4)", "need whole numbers [n]"],
    ),
    "labels that are no whole numbers": ({"test_labels": np.full(20, 0.5)}, ["test_labels", "float64"]),
    "labels that are texts": ({"train_labels": np.array(["a"] * 80)}, ["train_labels", "need whole numbers"]),
    "a negative label": ({"train_labels": np.arange(80) % 4 - 1}, ["train", "labels run from -1 to 2", "allow 0 to"]),
    "a test label that training lacks": ({"test_labels": np.arange(20)}, ["test", "labels run from 0 to 19", "0 to 3"]),
    "images of one dimension": (
        {"train_images": np.zeros(80)},
        ["train_images has shape (80,)", "need numbers of shape"],
    ),
    "images of five dimensions": (
        {"test_images": np.zeros((20, 1, 1, 8, 8))},
        ["test_images has shape (20, 1, 1, 8, 8)"],
    ),
    "other images in the test set": (
        {"test_images": np.zeros((20, 9, 8))},
        ["(1, 8, 8)", "(1, 9, 8)", "must be the same"],
    ),
    "images that are texts": ({"train_images": np.full((80, 8, 8), "x")}, ["train_images", "need numbers"]),
    "images that are objects": ({"train_images": np.full((80, 8, 8), None)}, ["cannot be read as .npz", "numpy.savez"]),
    "an image with NaN": ({"train_images": image_with_nan()}, ["train_images has values that are not finite"]),
    "no images": (
        {"test_images": np.zeros((0, 8, 8)), "test_labels": np.zeros(0, dtype=int)},
        ["test_images", "at least 1"],
    ),
}


def array_suite(cli: CommandLine, **parameters: Any) -> Path:
    arguments = {"path": "mine.npz"} | parameters
    return write_suite(cli.folder, dataset={"arrays": arguments}, validation_size=10)


def save(cli: CommandLine, **changes: Any) -> None:
    (cli.folder / "data").mkdir()
    np.savez(cli.folder / "data" / "mine.npz", **arrays(**changes))


@pytest.mark.parametrize("command", [["run"], ["run", "--dry-run"], ["check"]], ids=" ".join)
@pytest.mark.parametrize("case", ARRAYS)
def test_an_invalid_array_file_is_refused(cli: CommandLine, case: str, command: list[str]) -> None:
    changes, fragments = ARRAYS[case]
    save(cli, **changes)
    told = refused(cli, *command, array_suite(cli))
    assert "mine.npz" in told
    assert all(fragment in told for fragment in fragments), told


def test_labels_beyond_the_given_number_of_classes_are_refused(cli: CommandLine) -> None:
    save(cli)
    told = refused(cli, "run", array_suite(cli, num_classes=3))
    assert "labels run from 0 to 3; 3 classes allow 0 to 2" in told


def test_a_class_too_rare_for_a_balanced_start_set_is_refused(cli: CommandLine) -> None:
    labels = np.arange(80) % 3
    labels[0] = 3
    save(cli, train_labels=labels)
    suite = write_suite(
        cli.folder,
        dataset={"arrays": {"path": "mine.npz"}},
        validation_size=10,
        initial={"size": 12, "balanced": True},
    )
    assert "initial" in refused(cli, "run", suite)


def write_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"not a zip file"),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        write_npy,
    ],
    ids=["text", "empty", "cut", "npy"],
)
def test_an_invalid_npz_file_is_refused(cli: CommandLine, spoil: Callable[[Path], object]) -> None:
    save(cli)
    spoil(cli.folder / "data" / "mine.npz")
    told = refused(cli, "run", array_suite(cli))
    assert "mine.npz cannot be read as .npz" in told


def test_a_missing_array_file_is_refused(cli: CommandLine) -> None:
    told = refused(cli, "run", array_suite(cli))
    assert str(cli.folder / "data" / "mine.npz") in told
    assert "--data-dir" in told


def test_a_valid_array_file_is_run(cli: CommandLine) -> None:
    save(cli)
    outcome = cli("run", array_suite(cli))
    assert outcome.exit_code == 0, outcome.output
    assert "trials: 2 done" in outcome.output
