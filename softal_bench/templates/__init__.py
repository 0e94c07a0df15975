"""The distribution that `softal-bench new` writes: a small one with a working plugin, for authors to start from.

The templates are in the folder `common` and in one folder for each kind. `NAME` in a path, and `$name`, `$package`,
`$distribution`, `$class_name`, `$group` and `$noun` in a text, are replaced. File names end with `.txt`, so that no
tool treats a template as a source file.
"""

import importlib.util
import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from string import Template

import yaml

from softal_bench.errors import PluginError, StorageError, shown
from softal_bench.registry import registries

_FOLDER = Path(__file__).parent
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_LONGEST = 40


@dataclass(frozen=True)
class Kind:
    """A kind of plugin: `group` is its registry, and `noun` its name in messages."""

    name: str
    group: str
    noun: str


KINDS = {
    "acquisition": Kind("acquisition", "acquisitions", "acquisition function"),
    "model": Kind("model", "models", "model"),
    "dataset": Kind("dataset", "datasets", "data set"),
}


def distribution_of(name: str) -> str:
    """Return the name of the distribution for a plugin of this name, which is also the name of its folder."""
    return f"softal-bench-{name.replace('_', '-')}"


def write_distribution(kind: Kind, name: str, into: Path) -> list[Path]:
    """Write the distribution under `into`; return its folder, followed by its files.

    Raises:
        PluginError: if the name is invalid or taken.
        StorageError: if its folder exists or cannot be written.
    """
    _require_usable(kind, name)
    folder = into / distribution_of(name)
    if folder.exists():
        raise StorageError(f"{folder} exists; choose another name, or another folder with --into")
    texts = dict(_texts(kind, name))
    try:
        for path, text in texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror}") from error
    return [folder, *(folder / path for path in texts)]


def _texts(kind: Kind, name: str) -> Iterator[tuple[str, str]]:
    """Yield the path in the distribution and the text of each file."""
    values = {
        "name": name,
        "distribution": distribution_of(name),
        "package": f"softal_bench_{name}",
        "class_name": _class_name(name),
        "group": kind.group,
        "noun": kind.noun,
    }
    for folder in ("common", kind.name):
        for path in sorted((_FOLDER / folder).rglob("*.txt")):
            relative = str(path.relative_to(_FOLDER / folder)).removesuffix(".txt").replace("NAME", name)
            yield relative, Template(path.read_text(encoding="utf-8")).substitute(values)


def _class_name(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


def _means_something_else(kind: Kind, name: str) -> bool:
    """Whether the name, or the class name, has another meaning in the files that are written."""
    texts = "".join(path.read_text(encoding="utf-8") for path in (_FOLDER / kind.name).rglob("*.py.txt"))
    words = {word for line in texts.splitlines() if "import " in line for word in re.findall(r"\w+", line)}
    python = keyword.iskeyword(name) or keyword.iskeyword(_class_name(name))
    return python or yaml.safe_load(name) != name or bool({name, _class_name(name)} & (words | {"speed"}))


def _require_usable(kind: Kind, name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST or _means_something_else(kind, name):
        raise PluginError(
            f"{shown(name)} cannot name a plugin; use up to {_LONGEST} lower-case letters, digits and single "
            "underscores, a letter first, and no word of Python, YAML or the contracts: my_score"
        )
    registry = registries[kind.group]
    if name in registry.names():
        listing = registry.listing(name)
        raise PluginError(f"{name!r} is taken: {registry.noun} of {listing.distribution} {listing.version}")
    if importlib.util.find_spec(f"softal_bench_{name}") is not None:
        raise PluginError(f"{name!r} is taken: a package softal_bench_{name} is installed")
