"""The digest of a plugin's source: which changes affect it, and which modules it covers."""

import ast
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest

from softal_bench.errors import PluginError
from softal_bench.registry import acquisitions, registries, source
from softal_bench.registry.source import OwnModules, are_equivalent, digest_of, own_modules

SCORE = '''\
"""A score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from .helper import scale


@dataclass(frozen=True)
class Score:
    """What it is."""

    power: float = 2.0
    name: ClassVar[str] = "score"

    def of(self, value: float) -> float:
        """Of a value."""
        factor: float = 1.5  # a comment
        return math.log(value) * factor * scale(self.power)
'''
HELPER = "def scale(value):\n    return value\n"
Digest = Callable[..., str | None]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Create an importable package `digested` and return its folder."""
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "digested"
    folder.mkdir()
    (folder / "__init__.py").write_text("FACTOR = 2\n")
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "digested"]:
        del sys.modules[name]
    forget()


@pytest.fixture
def digest(package: Path) -> Digest:
    """Return a function that computes the digest of digested.score with these texts."""

    def of(score: str = SCORE, helper: str = HELPER, **others: str) -> str | None:
        for name, text in {"score": score, "helper": helper, **others}.items():
            (package / f"{name}.py").write_text(text)
        forget()
        return digest_of({"digested.score"}, OwnModules(frozenset({"digested"})))

    return of


def forget() -> None:
    importlib.invalidate_caches()
    source._source.cache_clear()
    source._equivalent.cache_clear()


def test_a_digest_has_16_hexadecimal_digits_and_is_reproducible(digest: Digest) -> None:
    assert re.fullmatch("[0-9a-f]{16}", str(digest()))
    assert digest() == digest()
    assert not any(name.startswith("digested") for name in sys.modules)  # the source was read, not imported


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A score."""', '"""Another text."""'),
        ('    """What it is."""\n', '    """What it is.\n\n    And more.\n    """\n'),
        ("  # a comment", ""),
        ('        """Of a value."""\n', ""),
        ("value: float) -> float", "value) -> 'int'"),
        ("factor: float = 1.5", "factor = 1.5"),
        ("power: float", "power: int"),
        ("from __future__ import annotations\n\n", ""),
        ("import math\nfrom dataclasses import dataclass\n", "from dataclasses import dataclass\nimport math\n"),
        ("from typing import ClassVar", "from collections.abc import Iterator\nfrom typing import Any, ClassVar"),
        ("from .helper import scale", "from digested.helper import scale"),
        (
            "from .helper import scale",
            "from typing import TYPE_CHECKING\nfrom .helper import scale\nif TYPE_CHECKING:\n    import click",
        ),
        ("math.log(value) * factor", "(math.log( value )*factor)"),
    ],
)
def test_irrelevant_edits_keep_the_digest(digest: Digest, old: str, new: str) -> None:
    assert old in SCORE
    assert digest(SCORE.replace(old, new)) == digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.5", "1.6"),
        ("power: float = 2.0", "power: float = 2"),
        ("power: float = 2.0", "power = 2.0"),  # no longer a field of the dataclass
        ("power: float = 2.0", "power: ClassVar[float] = 2.0"),
        ("math.log(value) * factor", "math.log(value) + factor"),
        ("import math\n", "import cmath as math\n"),
        ("frozen=True", "frozen=False"),
        ('"score"', 'b"score"'),
        ("from .helper import scale", "from .helper import scale as scale\nscale = abs"),
    ],
)
def test_relevant_edits_change_the_digest(digest: Digest, old: str, new: str) -> None:
    assert old in SCORE
    assert digest(SCORE.replace(old, new)) != digest()


def test_a_digest_covers_direct_and_indirect_imports_from_its_distribution(digest: Digest) -> None:
    deeper = {"helper": "from digested import deep\nscale = deep.scale\n"}
    before = digest(**deeper, deep="def scale(value):\n    return value\n", other="X = 1\n")
    assert digest(**deeper, deep="def scale(value):\n    return value\n", other="X = 2\n") == before
    assert digest(**deeper, deep="def scale(value):\n    return 2 * value\n") != before
    lazily = SCORE.replace("        factor: float", "        from . import late\n        factor: float")
    assert digest(lazily, late="X = 1\n") != digest(lazily, late="X = 2\n")


def test_a_digest_covers_imports_from_the_package(digest: Digest, package: Path) -> None:
    taking = SCORE.replace("from .helper import scale", "from . import FACTOR as scale")
    before, unrelated = digest(taking), digest()
    (package / "__init__.py").write_text("FACTOR = 3\n")
    assert digest(taking) != before
    assert digest() == unrelated


def test_modules_that_import_one_another_have_a_digest(digest: Digest) -> None:
    assert digest(helper="from digested import score\nscale = score\n") is not None


def test_a_source_that_cannot_be_read_has_no_digest(digest: Digest) -> None:
    assert digest("def broken(:\n") is None
    assert digest_of({"digested.missing"}, OwnModules(frozenset({"digested"}))) is None
    assert digest_of({"__main__"}, OwnModules(frozenset({"__main__"}))) is None  # as for a class defined in a REPL
    assert digest_of({"math"}, OwnModules(frozenset({"math"}))) is None


def test_a_digest_omits_other_distributions_and_the_harness(digest: Digest, package: Path) -> None:
    importing = SCORE.replace(
        "import math\n", "import math\nimport click\nfrom softal_bench.bayes import information\n"
    )
    harness = OwnModules(frozenset({"digested", "softal_bench"}))
    digest(importing)
    assert "softal_bench.bayes" not in harness
    assert digest_of({"digested.score"}, harness) == digest(importing)
    assert digest_of({"softal_bench.bayes.information"}, harness) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from softal_bench.contracts.acquisition import x", "from softal_bench.contracts import x"),
        ("from softal_bench.contracts.acquisition import x as y", "from softal_bench.core import x as y"),
        ("import softal_bench.bayes.x as y", "import softal_bench.mathematics.x as y"),
        ("import softal_bench.bayes.x as y", "from softal_bench.mathematics import x as y"),
    ],
)
def test_moving_names_within_the_harness_keeps_the_digest(digest: Digest, old: str, new: str) -> None:
    texts = [SCORE.replace("import math\n", f"import math\n{statement}\n") for statement in (old, new)]
    assert digest(texts[0]) == digest(texts[1]) != digest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("from softal_bench.contracts import x", "from softal_bench.contracts import y"),
        ("from softal_bench.contracts import x as z", "from softal_bench.contracts import y as z"),
        ("from softal_bench.contracts import x", "from softal_bench.contracts import x as y"),
        ("from softal_bench.contracts import x", "from digested.helper import x"),
    ],
)
def test_imported_harness_names_affect_the_digest(digest: Digest, old: str, new: str) -> None:
    texts = [SCORE.replace("import math\n", f"import math\n{statement}\n") for statement in (old, new)]
    assert digest(texts[0]) != digest(texts[1])


def test_a_digest_covers_namespace_packages_that_are_not_imported(digest: Digest, package: Path) -> None:
    (package / "outer" / "inner").mkdir(parents=True)
    deep = package / "outer" / "inner" / "deep.py"
    importing = SCORE.replace("import math\n", "import math\nfrom digested.outer.inner.deep import X\n")
    deep.write_text("X = 1\n")
    before = digest(importing)
    deep.write_text("X = 2\n")
    assert digest(importing) not in (before, None)
    importlib.import_module("digested.outer.inner")
    assert digest(importing) != before


def test_the_normal_form_does_not_depend_on_the_version_of_the_interpreter() -> None:
    tree = ast.parse(
        '@d\nclass A(B):\n    x: int = 1\n    def f(self, a, *, b=None):\n        return f"{a!r}" or (b, -2.5)\n'
    )
    assert source._NormalForm("").of(tree) == (
        "Module(body=[ClassDef(name='A',bases=[Name(id='B')],body=[Field(Name(id='x'),int:1),FunctionDef(name='f',"
        "args=arguments(args=[arg(arg='self'),arg(arg='a')],kwonlyargs=[arg(arg='b')],kw_defaults=[NoneType:None]),"
        "body=[Return(value=BoolOp(op=Or(),values=[JoinedStr(values=[FormattedValue(value=Name(id='a'),"
        "conversion=114)]),Tuple(elts=[Name(id='b'),UnaryOp(op=USub(),operand=float:2.5)])]))])],"
        "decorator_list=[Name(id='d')])])"
    )


def test_the_digest_of_a_built_in_plugin_covers_only_softal_plugins() -> None:
    for registry in registries.values():
        for name in registry.names():
            entry_point = registry._entry_points[name][0]
            if entry_point.module.startswith("softal_plugins") and not registry.why_broken(name):
                assert registry.source(name)
                assert "softal_bench.bayes.information" not in own_modules(entry_point)
                assert entry_point.module in own_modules(entry_point)
    assert len({acquisitions.source(name) for name in ("bald", "uniform", "entropy")}) == 3


@pytest.mark.parametrize("listed", [True, False], ids=["wheel", "editable"])
def test_an_installed_and_an_editable_distribution_have_the_same_digest(
    package: Path, digest: Digest, listed: bool
) -> None:
    expected = digest()
    metadata = package.parent / "digested-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: digested\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[softal_bench.acquisitions]\nscore = digested.score:Score\n")
    files = (
        ["digested/__init__.py", "digested/score.py", "digested/helper.py"] if listed else ["__editable__.digested.pth"]
    )
    (metadata / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    (found,) = [one for one in distributions(path=[str(package.parent)]) if one.name == "digested"]
    (entry_point,) = found.entry_points
    own = own_modules(entry_point)
    assert (own.listed is not None) == listed
    assert digest_of({"digested.score"}, own) == expected


def test_a_distribution_can_list_equivalent_digests(package: Path) -> None:
    def same(one: str, other: str) -> bool:
        forget()
        sys.modules.pop("digested.equivalent_sources", None)
        return are_equivalent("digested.score", "score", one, other)

    assert not same("a", "b")
    (package / "equivalent_sources.py").write_text('EQUIVALENT_SOURCES = {"score": [("a", "b", "c"), ("d", "e")]}\n')
    assert same("a", "b")
    assert same("c", "a")
    assert not same("a", "d")
    for text in ("EQUIVALENT_SOURCES = ['a', 'b']\n", "EQUIVALENT_SOURCES = {'score': ['ab']}\n", "", "1 / 0\n"):
        (package / "equivalent_sources.py").write_text(f"# {len(text)}\n{text}")
        with pytest.raises(PluginError, match=r"digested.equivalent_sources: EQUIVALENT_SOURCES"):
            same("a", "b")
