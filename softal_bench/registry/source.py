"""The digest of a plugin's source, with which a journal records the code that computed it.

The digest covers the plugin's module and the modules of its own distribution that it imports, directly or indirectly.
It is computed from syntax trees without docstrings, comments, annotations and imports for annotations only, so that it
changes if behaviour may change, but not if a text is reworded. It does not depend on the Python version, on the folder,
or on how the distribution is installed.

Modules of the harness itself (`softal_bench`) are never part of a digest, because the protocol revision in every key
covers them. An import from the harness contributes only the name and its alias, so that modules of the harness can be
moved. The digest does not cover modules that are imported by a computed name, data files and compiled modules.
"""

import ast
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path

from softal_bench.errors import PluginError

HARNESS = "softal_bench"
EQUIVALENT = "equivalent_sources"  # the module, in a distribution's package, that lists digests with the same results
_FOR_ANNOTATIONS = {"__future__", "typing", "typing_extensions", "collections.abc"}
_WITHOUT_EFFECT = {"annotation", "returns", "type_comment", "type_params", "ctx", "kind"}
Imported = tuple[str, str | None]  # a module, and the name that is imported from it


def source_digest(plugin_class: type, entry_point: EntryPoint) -> str | None:
    """Return the digest of a plugin's source as 16 hexadecimal digits, or None if the source cannot be read.

    Takes a few milliseconds for each module that is read for the first time in this process.
    """
    return _digest_of_plugin(plugin_class.__module__, entry_point)


@cache
def _digest_of_plugin(module: str, entry_point: EntryPoint) -> str | None:
    own = own_modules(entry_point)
    roots = {module}
    if module not in own:  # the entry point refers to a class from another distribution
        roots.add(entry_point.module)
    return digest_of(roots, own)


def digest_of(roots: Iterable[str], own: "OwnModules") -> str | None:
    """Return the digest of some modules and of the modules that they import from their own distribution."""
    found: dict[str, _Source] = {}
    to_read = [root for root in roots if not _is_harness(root)]
    if not to_read or any(_source(root) is None for root in to_read):
        return None
    while to_read:
        name = to_read.pop()
        source = _source(name)
        if source is not None and name not in found:
            found[name] = source
            of_own_packages = [one for one in source.imports if one[0].partition(".")[0] in own.packages]
            to_read += [module for one in of_own_packages if (module := _module_of(one)) in own]
    text = "\n".join(f"{name}\n{found[name].tree}" for name in sorted(found))
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]


def are_equivalent(module: str, plugin: str, one: str, other: str) -> bool:
    """Return whether a distribution lists two digests of a plugin as giving the same results.

    Args:
        module: the plugin's module. `EQUIVALENT_SOURCES` in the module `equivalent_sources` of its top-level package
            maps a plugin's name to groups of digests.
        plugin: the plugin's name.
        one: a digest.
        other: another digest.

    Raises:
        PluginError: if the list cannot be imported or has another form.
    """
    groups = _equivalent(f"{module.partition('.')[0]}.{EQUIVALENT}").get(plugin, [])
    return any({one, other} <= set(group) for group in groups)


@dataclass(frozen=True)
class OwnModules:
    """The modules of a distribution.

    Attributes:
        packages: its top-level packages and modules.
        listed: its modules, if its metadata lists them. None if not, as in an editable installation; then all modules
            in its packages count.
    """

    packages: frozenset[str]
    listed: frozenset[str] | None = None

    def __contains__(self, module: object) -> bool:
        if not isinstance(module, str) or _is_harness(module):
            return False
        return module.partition(".")[0] in self.packages if self.listed is None else module in self.listed


def own_modules(entry_point: EntryPoint) -> OwnModules:
    """Return the modules of the distribution that provides an entry point."""
    package = entry_point.module.partition(".")[0]
    distribution = entry_point.dist
    if distribution is None:
        return OwnModules(frozenset({package}))
    offered = {other.module.partition(".")[0] for other in distribution.entry_points}
    top_level = (distribution.read_text("top_level.txt") or "").split()
    listed = frozenset(_listed(distribution))
    return OwnModules(frozenset({package, *offered, *top_level}), listed if entry_point.module in listed else None)


def _listed(distribution: Distribution) -> Iterator[str]:
    """Yield the modules in the list of installed files. The SOURCES.txt of an egg is ignored, as it may be outdated."""
    if distribution.read_text("RECORD") is None:
        return
    for file in distribution.files or []:
        if file.suffix == ".py" and not file.is_absolute() and ".." not in file.parts:
            parts = file.with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _is_harness(module: str) -> bool:
    return module.partition(".")[0] == HARNESS


@cache
def _equivalent(module: str) -> Mapping[str, Collection[Collection[str]]]:
    if _spec(module) is None:
        return {}
    try:
        groups = importlib.import_module(module).EQUIVALENT_SOURCES
    except Exception as error:  # importing a distribution's module can raise any error
        raise PluginError(f"{module}: EQUIVALENT_SOURCES cannot be read: {type(error).__name__}: {error}") from error
    if not (isinstance(groups, Mapping) and all(_are_groups(of) for of in groups.values())):
        raise PluginError(
            f"{module}: EQUIVALENT_SOURCES is {groups!r}; it has to map a plugin's name to groups of digests, such as "
            '{"my_score": [("0123456789abcdef", "fedcba9876543210")]}'
        )
    return groups


def _are_groups(groups: object) -> bool:
    return isinstance(groups, list | tuple) and all(
        isinstance(group, list | tuple | set | frozenset) and all(isinstance(digest, str) for digest in group)
        for group in groups
    )


@dataclass(frozen=True)
class _Source:
    """The normal form of a module as text, and its imports."""

    tree: str
    imports: tuple[Imported, ...]


@cache
def _source(module: str) -> _Source | None:
    """Return a module's source in its normal form, or None if it cannot be read."""
    spec = _spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        text = importlib.util.decode_source(Path(spec.origin).read_bytes())
        normal = _NormalForm(module if spec.submodule_search_locations is not None else module.rpartition(".")[0])
        tree = normal.of(ast.parse(text))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None
    return _Source(tree, tuple(normal.imports))


def _spec(module: str) -> ModuleSpec | None:
    """Return the spec of a module. Unlike `importlib.util.find_spec`, do not import the packages that contain it."""
    parent = module.rpartition(".")[0]
    path = None
    if parent:
        package = _spec(parent)
        if package is None or package.submodule_search_locations is None:
            return None
        path = list(package.submodule_search_locations)
    for finder in sys.meta_path:
        if (spec := _found(finder, module, path)) is not None:
            return spec
    return None


def _found(finder: object, module: str, path: list[str] | None) -> ModuleSpec | None:
    """Return the spec of a module from one of the finders of `sys.meta_path`, or None if it does not find it."""
    find = getattr(finder, "find_spec", None)
    try:
        found = find(module, path) if find is not None else None
    except KeyError:  # a namespace package in a package that is not imported, which Python looks up in sys.modules
        found = ModuleSpec(module, None, is_package=True)
        folders = [Path(folder, module.rpartition(".")[2]) for folder in path or ()]
        found.submodule_search_locations = [str(folder) for folder in folders if folder.is_dir()]
    return found if isinstance(found, ModuleSpec) else None


def _module_of(imported: Imported) -> str:
    """Return the module that an import reads: `from a import b` reads a.b if that is a module, otherwise a."""
    module, name = imported
    inner = f"{module}.{name}"
    return inner if name and name != "*" and not _is_harness(module) and _spec(inner) is not None else module


class _NormalForm:
    """Converts syntax trees to text, without the parts that have no effect on results, and collects their imports.

    Args:
        package: the package that relative imports start from.

    Attributes:
        imports: the imports found so far, in order.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self.imports: list[Imported] = []

    def of(self, node: object, in_class: bool = False) -> str:
        """Return the text of a node, or of a list in one of its fields."""
        if isinstance(node, list):
            return f"[{','.join(self.of(item, in_class) for item in node)}]"
        if isinstance(node, ast.Constant):
            return f"{type(node.value).__name__}:{node.value!r}"
        if not isinstance(node, ast.AST):
            return repr(node)
        if isinstance(node, ast.ClassDef):
            in_class = True
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            in_class = False
        parts = []
        for name, value in ast.iter_fields(node):
            if name in _WITHOUT_EFFECT or value is None or value == []:
                continue
            if isinstance(value, list) and isinstance(value[0], ast.stmt):
                parts.append(f"{name}=[{','.join(self._statements(value, in_class))}]")
            else:
                parts.append(f"{name}={self.of(value, in_class)}")
        return f"{type(node).__name__}({','.join(parts)})"

    def _statements(self, statements: list[ast.stmt], in_class: bool) -> Iterator[str]:
        """Yield the texts of statements that have an effect. Consecutive imports are sorted."""
        imports: list[str] = []
        for statement in statements:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                imports += self._import(statement)
                continue
            texts = list(self._statement(statement, in_class))
            if texts:
                yield from sorted(imports)
                imports = []
                yield from texts
        yield from sorted(imports)

    def _statement(self, statement: ast.stmt, in_class: bool) -> Iterator[str]:
        if isinstance(statement, ast.Pass) or type(statement).__name__ == "TypeAlias":
            return
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return  # a docstring, or a string used as a comment
        if isinstance(statement, ast.If) and _last_name(statement.test) == "TYPE_CHECKING":
            yield from self._statements(statement.orelse, in_class)
        elif isinstance(statement, ast.AnnAssign):
            yield from self._annotated(statement, in_class)
        else:
            yield self.of(statement, in_class)

    def _annotated(self, statement: ast.AnnAssign, in_class: bool) -> Iterator[str]:
        """Yield the text of an annotated statement. In a class, the annotation makes a field; elsewhere, ignore it."""
        annotation = statement.annotation
        if isinstance(annotation, ast.Subscript):
            annotation = annotation.value
        target, value = self.of(statement.target), self.of(statement.value)
        if in_class and _last_name(annotation) != "ClassVar":
            yield f"Field({target})" if statement.value is None else f"Field({target},{value})"
        elif statement.value is not None:
            yield f"Assign(targets=[{target}],value={value})"

    def _import(self, statement: ast.Import | ast.ImportFrom) -> Iterator[str]:
        for alias in statement.names:
            if isinstance(statement, ast.Import):
                imported: Imported = (alias.name, None)
            else:
                imported = (self._absolute(statement), alias.name)
            if imported[0] in _FOR_ANNOTATIONS:
                continue
            if _is_harness(imported[0]):  # the module in which the harness defines a name has no effect on results
                imported = (HARNESS, alias.name.rpartition(".")[2])
            self.imports.append(imported)
            yield f"import {imported[0]}:{imported[1]}:{alias.asname}"

    def _absolute(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        above = self._package.split(".")
        above = above[: len(above) - statement.level + 1]
        return ".".join([*above, *([statement.module] if statement.module else [])])


def _last_name(node: ast.expr) -> str | None:
    """Return the last part of a dotted name: `ClassVar` for `typing.ClassVar` and for `ClassVar`."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None
