"""Plugins by name: built-in plugins, their defaults, nested plugins, and the errors for wrong requests."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
from softal_plugins.acquisitions.bald import BALD
from softal_plugins.acquisitions.batchbald import BatchBALD
from softal_plugins.acquisitions.entropy import Entropy
from softal_plugins.acquisitions.power import Power
from softal_plugins.acquisitions.softmax import Softmax
from softal_plugins.acquisitions.softrank import Softrank
from softal_plugins.acquisitions.uniform import Uniform
from softal_plugins.acquisitions.variation_ratios import VariationRatios
from softal_plugins.datasets.arrays import Arrays
from softal_plugins.datasets.digits import Digits
from softal_plugins.datasets.mnist import MNIST
from softal_plugins.datasets.repeated import Repeated
from softal_plugins.models.digits_cnn import DigitsCNN
from softal_plugins.models.lenet5 import LeNet5

from softal_bench.contracts import AcquisitionFunction, BayesianModel, Dataset, OneSampleScore
from softal_bench.errors import PluginError
from softal_bench.registry import acquisitions, datasets, models, parameters_of, registries


def test_the_built_in_plugins_are_found_and_sound() -> None:
    expected = {
        "acquisitions": {
            *("uniform", "entropy", "variation_ratios", "margin", "mean_std", "bald", "epig", "epig_bald"),
            *("softmax", "power", "softrank", "random_top", "thompson_bald"),
            *("batchbald", "batch_epig_bald", "badge", "coreset"),
        },
        "models": {"lenet5", "digits_cnn", "resnet18", "mlp", "ensemble", "logistic"},
        "datasets": {
            *("digits", "mnist", "fashion_mnist", "emnist", "svhn", "cifar10", "arrays"),
            *("repeated", "imbalanced", "label_noise"),
            *("letter", "satellite", "dna", "reuters8", "news20"),
        },
    }
    for kind, names in expected.items():
        ours = [listing for listing in registries[kind].listings() if listing.distribution == "softal-bench"]
        assert {listing.name for listing in ours} == names
        assert {(listing.kind, listing.status, listing.error) for listing in ours} == {(kind, "ok", None)}
        assert {listing.version for listing in ours} == {"0.1.0"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uniform", Uniform()),
        ("entropy", Entropy()),
        ("variation_ratios", VariationRatios()),
        ("bald", BALD()),
        ("batchbald", BatchBALD(joint_samples=100_000)),
        ("softmax", Softmax(BALD(), 0.125)),
        ("power", Power(BALD(), 0.125)),
        ("softrank", Softrank(BALD(), 0.125)),
    ],
)
def test_a_name_alone_gives_the_defaults_of_the_paper(name: str, expected: AcquisitionFunction) -> None:
    assert acquisitions.build(name) == acquisitions.build(name, {}) == expected


def test_models_and_data_sets_have_defaults_too() -> None:
    assert models.build("lenet5") == LeNet5(0.5)
    assert models.build("digits_cnn", {"dropout": 0.25}) == DigitsCNN(0.25)
    assert datasets.build("digits") == Digits()
    assert datasets.build("mnist") == MNIST()
    assert datasets.build("arrays", {"path": "mine.npz"}) == Arrays("mine.npz", None)
    assert datasets.build("arrays", {"path": "mine.npz", "num_classes": None}) == Arrays("mine.npz", None)


def test_a_plugin_gets_its_parameters() -> None:
    assert acquisitions.build("softmax", {"score": "bald", "temperature": 0.125}) == Softmax(BALD(), 0.125)
    assert acquisitions.build("power", {"score": "entropy"}) == Power(Entropy(), 0.125)
    assert acquisitions.build("softrank", {"temperature": 4}) == Softrank(BALD(), 4.0)
    assert acquisitions.build("batchbald", {"joint_samples": 10}) == BatchBALD(10)


@pytest.mark.parametrize("digits", ["digits", {"digits": {}}, {"digits": None}])
def test_a_nested_plugin_is_a_name_or_a_name_with_parameters(digits: Any) -> None:
    assert datasets.build("repeated", {"of": digits}) == Repeated(Digits(), times=2, noise_std=0.1)


def test_plugins_can_be_nested_deeply() -> None:
    inner = {"repeated": {"of": {"arrays": {"path": "x.npz"}}, "times": 3}}
    built = datasets.build("repeated", {"of": inner, "noise_std": 0.5})
    assert built == Repeated(Repeated(Arrays("x.npz"), times=3, noise_std=0.1), times=2, noise_std=0.5)


def test_a_plugin_is_described_in_full_for_the_journal() -> None:
    plugin = acquisitions.resolve({"power": {"score": "bald"}})
    assert plugin.describe() == {
        "label": "power(bald, T=0.125)",
        "name": "power",
        "parameters": {"score": {"bald": {}}, "temperature": 0.125},
    }
    assert acquisitions.resolve({plugin.name: plugin.parameters}) == plugin  # can be built again from that


@pytest.mark.parametrize(
    ("spec", "label"),
    [
        ("bald", "bald"),
        ("batchbald", "batchbald(M=100000)"),
        ({"batchbald": {"joint_samples": 500}}, "batchbald(M=500)"),
        ("softmax", "softmax(bald, T=0.125)"),
        ({"softrank": {"score": "entropy", "temperature": 8}}, "softrank(entropy, T=8)"),
    ],
)
def test_labels_are_short_and_show_parameters(spec: Any, label: str) -> None:
    assert acquisitions.resolve(spec).label == label


def test_close_parameters_have_different_labels() -> None:
    labels = {acquisitions.resolve({"power": {"temperature": t}}).label for t in (0.125, 0.1250001, 0.12500001)}
    assert len(labels) == 3


def test_the_revision_names_every_nested_plugin() -> None:
    assert acquisitions.resolve("bald").revision == "bald:1"
    assert acquisitions.resolve({"softmax": {"score": "entropy"}}).revision == "softmax:1+entropy:1"


def test_plugins_are_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        acquisitions.build("softmax").temperature = 1.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("sofmax", "softmax"), ("bold", "bald"), ("batch_bald", "batchbald"), ("BALD", None), ("zzz", None)],
)
def test_an_unknown_name_is_reported_with_all_known_names(name: str, suggested: str | None) -> None:
    with pytest.raises(PluginError) as caught:
        acquisitions.build(name)
    message = str(caught.value)
    assert message.startswith(f"unknown acquisition function {name!r}")
    assert "Installed: " in message
    assert all(known in message for known in ("bald", "batchbald", "softmax", "uniform"))
    assert ("did you mean" in message) == (suggested is not None)
    if suggested:
        assert f"did you mean {suggested!r}?" in message


def test_unknown_models_and_data_sets_are_reported_by_kind() -> None:
    with pytest.raises(PluginError, match=r"unknown model 'lenet'; did you mean 'lenet5'\? Installed: .*digits_cnn"):
        models.build("lenet")
    with pytest.raises(PluginError, match=r"unknown data set 'minst'; did you mean 'mnist'\? Installed: .*digits"):
        datasets.build("minst")
    with pytest.raises(PluginError, match="unknown model 'bald'"):  # a name of another kind
        models.build("bald")


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        (
            "softmax",
            {"temprature": 1.0},
            r"softmax: unknown parameter 'temprature'; did you mean 'temperature'\?.*score",
        ),
        ("bald", {"temperature": 1.0}, r"bald: unknown parameter 'temperature'.*takes no parameters"),
        ("softmax", {"temperature": "hot"}, r"softmax\.temperature: .*'hot'"),
        ("softmax", {"temperature": "0.125"}, r"softmax\.temperature: .*'0\.125'"),
        ("softmax", {"temperature": True}, r"softmax\.temperature: .*True"),
        ("softmax", {"temperature": None}, r"softmax\.temperature: .*None"),
        ("softmax", {"temperature": math.nan}, r"softmax\.temperature: .*nan"),
        ("softmax", {"temperature": math.inf}, r"softmax\.temperature: .*inf"),
        ("softmax", {"temperature": [1.0]}, r"softmax\.temperature: .*\[1\.0\]"),
        ("softmax", {"temperature": 0}, r"softmax: temperature is 0.*positive"),
        ("power", {"temperature": -0.5}, r"power: temperature is -0\.5.*positive"),
        ("batchbald", {"joint_samples": 10.5}, r"batchbald\.joint_samples: .*10\.5"),
        ("batchbald", {"joint_samples": 0}, r"batchbald: joint_samples is 0.*at least 1"),
        ("softmax", {"score": "batchbald"}, r"softmax\.score: 'batchbald' is not a OneSampleScore.*bald.*entropy"),
        ("softmax", {"score": "softmax"}, r"softmax\.score: 'softmax' is not a OneSampleScore"),
        ("softmax", {"score": "uniform"}, r"softmax\.score: 'uniform' is not a OneSampleScore"),
        ("softmax", {"score": "blad"}, r"softmax\.score: unknown acquisition function 'blad'; did you mean 'bald'\?"),
        ("softmax", {"score": {"bald": {"T": 1}}}, r"softmax\.score: bald: unknown parameter 'T'"),
        ("softmax", {"score": None}, r"softmax\.score: .*None"),
        ("softmax", {"score": ["bald"]}, r"softmax\.score: .*\['bald'\]"),
        ("softmax", {"score": {"bald": {}, "entropy": {}}}, r"softmax\.score: .*bald.*entropy.*write a"),
        ("softmax", {"score": {}}, r"softmax\.score: .*\{\}"),
        ("softmax", {"score": {"bald": 3}}, r"softmax\.score: .*3"),
    ],
)
def test_a_wrong_parameter_is_reported_with_its_place_and_allowed_values(
    name: str, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        acquisitions.build(name, parameters)


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("repeated", {}, r"repeated\.of: missing"),
        ("repeated", {"of": "bald"}, r"repeated\.of: unknown data set 'bald'"),
        (
            "repeated",
            {"of": {"repeated": {"of": {"repeated": {}}}}},
            r"repeated\.of: repeated\.of: repeated\.of: missing",
        ),
        ("repeated", {"of": "digits", "times": 0}, r"repeated: times is 0"),
        ("repeated", {"of": "digits", "times": 2.5}, r"repeated\.times: .*2\.5"),
        ("repeated", {"of": "digits", "noise_std": -1}, r"repeated: noise_std is -1"),
        ("arrays", {"path": 7}, r"arrays\.path: .*7"),
    ],
)
def test_wrong_parameters_of_data_sets_are_reported(name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        datasets.build(name, parameters)


def test_info_lists_each_parameter_with_its_type_and_default() -> None:
    shown = [{key: row[key] for key in row if key != "meaning"} for row in parameters_of(Softmax)]
    assert shown == [
        {"name": "score", "type": "OneSampleScore", "required": False, "default": "bald"},
        {"name": "temperature", "type": "float", "required": False, "default": 0.125},
    ]
    of = parameters_of(Repeated)[0]
    assert (of["name"], of["type"], of["required"], of["default"]) == ("of", "Dataset", True, None)
    assert parameters_of(BALD) == []


def test_the_plugins_of_each_kind_extend_its_contract() -> None:
    contracts: dict[str, type] = {"acquisitions": AcquisitionFunction, "models": BayesianModel, "datasets": Dataset}
    for kind, contract in contracts.items():
        for listing in registries[kind].listings():
            if listing.status == "ok":
                assert issubclass(registries[kind].load(listing.name), contract)
    assert issubclass(acquisitions.load("bald"), OneSampleScore)
    assert not issubclass(acquisitions.load("softmax"), OneSampleScore)


def test_the_entry_points_in_pyproject_are_installed() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    for kind, registry in registries.items():
        ours = {listing.name for listing in registry.listings() if listing.distribution == "softal-bench"}
        assert ours == set(project["entry-points"][f"softal_bench.{kind}"]), "run `pip install -e .` again"
