"""What an entry point loads is checked before it is used, and so are values that are written to journals."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from run import fake_plugins

from softal_bench.contracts import AcquiredBatch, AcquisitionFunction, Pool
from softal_bench.errors import PluginError
from softal_bench.registry import acquisitions, registries_with
from softal_bench.registry.plugins import why_unsound


@dataclass(frozen=True)
class Sound(AcquisitionFunction):
    def select(self, pool: Pool, batch_size: int, generator: torch.Generator) -> AcquiredBatch:
        raise NotImplementedError


@dataclass(frozen=True)
class NeedsAList(Sound):
    needs = ["embeddings"]  # type: ignore[assignment]  # noqa: RUF012


@dataclass(frozen=True)
class NeedsTheMoon(Sound):
    needs = frozenset({"moon"})


@pytest.mark.parametrize("loaded", [NeedsAList, NeedsTheMoon])
def test_invalid_needs_make_a_plugin_unsound(loaded: type) -> None:
    assert "`needs`" in str(why_unsound(loaded, AcquisitionFunction))


def test_a_valid_plugin_is_sound() -> None:
    assert why_unsound(Sound, AcquisitionFunction) is None


def test_a_parameter_that_is_not_json_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "softal_odd.py").write_text(
        "from dataclasses import dataclass\n"
        "from pathlib import Path\n"
        "from softal_plugins.acquisitions.uniform import Uniform\n\n\n"
        "@dataclass(frozen=True)\nclass Odd(Uniform):\n    where: Path = Path('x')\n"
    )
    metadata = tmp_path / "softal_odd-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: softal-odd\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[softal_bench.acquisitions]\nodd = softal_odd:Odd\n")
    with fake_plugins.seen(tmp_path), pytest.raises(PluginError, match="odd: a parameter cannot be written as JSON"):
        acquisitions.build("odd")


def test_a_name_is_looked_up_in_every_kind() -> None:
    assert [registry.kind for registry in registries_with("lenet5")] == ["models"]
    with pytest.raises(PluginError, match="unknown plugin 'lenet6'; did you mean 'lenet5'"):
        registries_with("lenet6")
