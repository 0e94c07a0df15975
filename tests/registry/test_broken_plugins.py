"""Third-party plugins: sound ones load like built-in ones, broken ones stop only suites that use them."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from softal_bench.contracts import AcquisitionFunction, Dataset
from softal_bench.errors import PluginError
from softal_bench.registry import Listing, Registry, registries

Install = Callable[..., Path]

SOUND = """
from dataclasses import dataclass
import torch
from softal_bench.contracts import AcquiredBatch, AcquisitionFunction

@dataclass(frozen=True)
class First(AcquisitionFunction):
    offset: int = 0
    revision = 7

    def select(self, pool, batch_size, generator):
        return AcquiredBatch(torch.arange(batch_size) + self.offset, torch.zeros(batch_size))
"""
ABSTRACT = """
from dataclasses import dataclass
from softal_bench.contracts import OneSampleScore

@dataclass(frozen=True)
class Forgetful(OneSampleScore):
    pass
"""
UNREADABLE = """
from dataclasses import dataclass
from softal_bench.contracts import AcquisitionFunction

@dataclass(frozen=True)
class Vague(AcquisitionFunction):
    strength: "Undefined" = 1

    def select(self, pool, batch_size, generator):
        raise NotImplementedError
"""

HASTY = "import torch\ntorch.set_float32_matmul_precision('medium')\n" + SOUND


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install distributions for one test: modules and a dist-info folder on a path of their own.

    For example `install("acme", {"bald2": "acme_bald:BALD2"}, {"acme_bald": source})`.
    """

    def install(
        distribution: str,
        plugins: Mapping[str, str],
        modules: Mapping[str, str],
        kind: str = "acquisitions",
        version: str = "1.2.3",
    ) -> Path:
        site = tmp_path / distribution
        info = site / f"{distribution}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        entries = "".join(f"{name} = {target}\n" for name, target in plugins.items())
        (info / "entry_points.txt").write_text(f"[softal_bench.{kind}]\n{entries}")
        for module, source in modules.items():
            (site / f"{module}.py").write_text(source)
            monkeypatch.delitem(sys.modules, module, raising=False)  # left by another test
        monkeypatch.syspath_prepend(str(site))
        return site

    return install


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Registry[AcquisitionFunction]:
    """Return a registry that has not read its entry points yet, in place of the one that resolves nested plugins."""
    registry = Registry("acquisitions", "acquisition function", AcquisitionFunction)  # type: ignore[type-abstract]
    monkeypatch.setitem(registries, "acquisitions", registry)
    return registry


def only(registry: Registry[AcquisitionFunction], name: str) -> Listing:
    (listing,) = [listing for listing in registry.listings() if listing.name == name]
    return listing


def built_ins_work(registry: Registry[AcquisitionFunction]) -> bool:
    return registry.resolve("softmax").label == "softmax(bald, T=0.125)"


def test_a_third_party_plugin_is_built_and_listed_with_its_distribution(
    install: Install, fresh: Registry[AcquisitionFunction]
) -> None:
    install("acme-first", {"first": "acme_first:First"}, {"acme_first": SOUND}, version="4.5")
    plugin = fresh.resolve({"first": {"offset": 3}})
    assert type(plugin.instance).__name__ == "First"
    assert (plugin.label, plugin.revision) == ("first(offset=3)", "first:7")
    assert only(fresh, "first") == Listing("first", "acquisitions", "acme-first", "4.5", "ok", None)


@pytest.mark.parametrize(
    ("target", "source", "why"),
    [
        (
            "lost:First",
            SOUND.replace("import torch", "import torch_of_the_future"),
            "No module named 'torch_of_the_future'",
        ),
        ("lost:First", "raise RuntimeError('needs a licence')", "RuntimeError: needs a licence"),
        ("lost:First", "import sys; sys.exit('goodbye')", "SystemExit: goodbye"),
        ("lost:First", "def f(:\n", "SyntaxError"),
        ("lost:Second", SOUND, "Second"),
        ("elsewhere:First", SOUND, "No module named 'elsewhere'"),
        ("lost:First", "First = 3", "3 is not a subclass of AcquisitionFunction"),
        ("lost:First", "class First: pass", "not a subclass of AcquisitionFunction"),
        (
            "lost:First",
            "from softal_plugins.datasets.digits import Digits as First",
            "not a subclass of AcquisitionFunction",
        ),
        ("lost:Forgetful", ABSTRACT, "Forgetful implements neither score_chunk nor scores"),
        (
            "lost:First",
            SOUND.replace("(frozen=True)", ""),
            "First is not a frozen .*@dataclass\\(frozen=True\\)",
        ),
        ("lost:First", SOUND.replace("@dataclass(frozen=True)", ""), "First is not a frozen dataclass"),
        ("lost:Child", SOUND + "\nclass Child(First):\n    pass\n", "Child is not a frozen dataclass"),
        (
            "lost:First",
            SOUND.replace("pool, batch_size, generator", "pool, batch_size"),
            r"First.select\(self, pool, batch_size\) cannot be called as select\(pool, batch_size, generator\)",
        ),
        ("lost:First", SOUND.replace("generator)", "generator, rate)"), "cannot be called as select.*'rate'"),
        (
            "lost:First",
            SOUND.replace("pool, batch_size, generator", "*, pool, batch_size, generator"),
            "cannot be call",
        ),
        ("lost:Vague", UNREADABLE, "annotations of Vague.*Undefined"),
    ],
)
def test_a_broken_plugin_is_listed_with_the_reason_and_fails_only_if_used(
    install: Install,
    fresh: Registry[AcquisitionFunction],
    target: str,
    source: str,
    why: str,
) -> None:
    install("acme-lost", {"lost_one": target}, {"lost": source})
    listing = only(fresh, "lost_one")

    assert (listing.distribution, listing.version, listing.status) == ("acme-lost", "1.2.3", "broken")
    with pytest.raises(PluginError, match=rf"(?s)'lost_one' is broken: .*{why}"):
        fresh.build("lost_one")
    with pytest.raises(PluginError, match=rf"(?s)softmax\.score: .*{why}"):
        fresh.build("softmax", {"score": "lost_one"})
    assert built_ins_work(fresh)


def test_two_plugins_with_one_name_are_broken_and_their_distributions_are_named(
    install: Install, fresh: Registry[AcquisitionFunction]
) -> None:
    install("acme-first", {"first": "acme_first:First"}, {"acme_first": SOUND}, version="1.0")
    install("zeta-first", {"first": "zeta_first:First"}, {"zeta_first": SOUND}, version="2.0")
    listings = [listing for listing in fresh.listings() if listing.name == "first"]
    assert {(listing.distribution, listing.version) for listing in listings} == {
        ("acme-first", "1.0"),
        ("zeta-first", "2.0"),
    }
    for listing in listings:
        assert listing.status == "broken"
        assert "acme-first 1.0" in str(listing.error)
        assert "zeta-first 2.0" in str(listing.error)
    with pytest.raises(PluginError, match=r"'first' is broken: .*acme-first 1\.0.*"):
        fresh.build("first")
    assert built_ins_work(fresh)


def test_a_plugin_with_a_built_in_name_does_not_replace_it_silently(
    install: Install, fresh: Registry[AcquisitionFunction]
) -> None:
    install("acme-first", {"bald": "acme_first:First"}, {"acme_first": SOUND})
    assert {listing.distribution for listing in fresh.listings() if listing.name == "bald"} == {
        "acme-first",
        "softal-bench",
    }
    with pytest.raises(PluginError, match=r"acme-first 1\.2\.3"):
        fresh.build("bald")
    assert fresh.resolve("entropy").label == "entropy"


def test_a_plugin_is_not_imported_before_it_is_used(install: Install, fresh: Registry[AcquisitionFunction]) -> None:
    site = install("acme-loud", {"loud": "loud:First"}, {"loud": f"open(__file__ + '.ran', 'w').close()\n{SOUND}"})
    assert "loud" in fresh.names()
    assert built_ins_work(fresh)
    assert not (site / "loud.py.ran").exists()
    fresh.build("loud")
    assert (site / "loud.py.ran").exists()


def test_a_broken_plugin_is_not_suggested(install: Install, fresh: Registry[AcquisitionFunction]) -> None:
    install("acme-lost", {"lost_one": "lost_too:Forgetful"}, {"lost_too": ABSTRACT})
    with pytest.raises(PluginError, match="is not a OneSampleScore") as caught:
        fresh.build("softmax", {"score": "batchbald"})
    assert "lost_one" not in str(caught.value)


def test_plugins_of_different_kinds_may_share_a_name(install: Install, fresh: Registry[AcquisitionFunction]) -> None:
    source = SOUND.replace("AcquisitionFunction", "Dataset").replace("AcquiredBatch, ", "")
    source = source.replace("select(self, pool, batch_size, generator)", "load(self, root, generator)")
    install("acme-data", {"bald": "acme_data:First"}, {"acme_data": source}, kind="datasets")
    assert built_ins_work(fresh)
    registry = Registry("datasets", "data set", Dataset)  # type: ignore[type-abstract]
    assert type(registry.build("bald")).__name__ == "First"


def test_a_plugin_whose_import_changes_global_state_is_broken_and_the_state_is_restored(install: Install) -> None:
    install("hasty", {"hasty": "hasty:First"}, {"hasty": HASTY})
    why = Registry("acquisitions", "acquisition function", AcquisitionFunction).why_broken("hasty")  # type: ignore[type-abstract]
    assert why is not None
    assert why.startswith("importing hasty:First changed torch's float32 matmul precision from 'highest' to 'medium'")
    assert torch.get_float32_matmul_precision() == "highest"
