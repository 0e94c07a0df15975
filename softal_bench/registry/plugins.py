"""The registry of each kind of plugin, and the checks that a plugin has to pass before it is used."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from softal_bench.contracts import NEEDS, AcquisitionFunction, BayesianModel, Dataset, OneSampleScore
from softal_bench.errors import GlobalStateError, PluginError, shown, suggestion
from softal_bench.machine.isolation import unchanged
from softal_bench.registry import parameters as fields
from softal_bench.registry import source

P = TypeVar("P")
Parameters = Mapping[str, Any]

CALLED = {  # the methods that the harness calls with positional arguments
    AcquisitionFunction: ("select",),
    OneSampleScore: ("score_chunk", "scores"),
    BayesianModel: ("fit",),
    Dataset: ("prepare", "load"),
}


@dataclass(frozen=True)
class Plugin(Generic[P]):
    """A plugin with its parameters.

    Attributes:
        kind: "acquisitions", "models" or "datasets".
        name: the name of its entry point.
        parameters: all parameters, including defaults, as JSON; a nested plugin is `{name: parameters}`.
        label: the display name: `bald`, `power(bald, T=0.125)`; see `softal_bench.registry.parameters.label_of`.
        instance: the object, which is frozen.
        revision: the revisions of its class and of the nested plugins, as text.
        nested: the plugins in its parameters.
    """

    kind: str
    name: str
    parameters: dict[str, Any]
    label: str
    instance: P
    revision: str
    nested: "tuple[Plugin[Any], ...]"

    def describe(self) -> dict[str, Any]:
        """Return what journals record: label, name and parameters."""
        return {"label": self.label, "name": self.name, "parameters": self.parameters}


@dataclass(frozen=True)
class Listing:
    """One line of `softal-bench list`."""

    name: str
    kind: str
    distribution: str
    version: str
    status: str
    error: str | None


class Registry(Generic[P]):
    """The plugins of one kind.

    Args:
        kind: "acquisitions", "models" or "datasets".
        noun: the name of the kind in messages.
        contract: the class that each plugin has to extend.
    """

    def __init__(self, kind: str, noun: str, contract: type[P]) -> None:
        self.kind = kind
        self.noun = noun
        self.contract = contract
        self._broken: dict[str, str | None] = {}
        self._sources: dict[str, str | None] = {}

    @cached_property
    def _entry_points(self) -> dict[str, list[EntryPoint]]:
        found: dict[str, list[EntryPoint]] = {}
        for entry_point in entry_points(group=f"softal_bench.{self.kind}"):
            found.setdefault(entry_point.name, []).append(entry_point)
        return dict(sorted(found.items()))

    def names(self) -> list[str]:
        """Return all names, including those of broken plugins."""
        return list(self._entry_points)

    def load(self, name: str) -> type[P]:
        """Return the class of a plugin.

        Raises:
            PluginError: if the name is unknown (with the nearest known name) or the plugin is broken (with the reason).
        """
        self._require_known(name)
        error = self.why_broken(name)
        if error:
            raise PluginError(f"{self.noun} {name!r} is broken: {error}")
        loaded: type[P] = self._entry_points[name][0].load()
        return loaded

    def why_broken(self, name: str) -> str | None:
        """Return why a plugin cannot be used, or None if it can."""
        if name not in self._broken:
            self._broken[name] = self._examined(name)
        return self._broken[name]

    def listing(self, name: str) -> Listing:
        """Return where a plugin comes from and whether it can be used. If several have the name, return the first.

        Raises:
            PluginError: if the name is unknown.
        """
        self._require_known(name)
        return self._listings_of(name)[0]

    def source(self, name: str) -> str | None:
        """Return the digest of a plugin's source, or None if it cannot be read; see `softal_bench.registry.source`.

        It is computed when the plugin is imported, so a later edit of the file does not change it in this process.

        Raises:
            PluginError: as `load`.
        """
        self.load(name)
        return self._sources[name]

    def same_results(self, name: str, one: str, other: str) -> bool:
        """Return whether two digests of a plugin's source are equal or listed as equivalent by its distribution.

        Raises:
            PluginError: as `load`, and if the list of its distribution cannot be read.
        """
        self._require_known(name)
        return one == other or source.are_equivalent(self._entry_points[name][0].module, name, one, other)

    def listings(self) -> list[Listing]:
        """Return, for every entry point, where it comes from and whether it can be used."""
        return [listing for name in self.names() for listing in self._listings_of(name)]

    def build(self, name: str, parameters: Parameters | None = None) -> P:
        """Return a plugin with these parameters, and defaults for the others.

        >>> acquisitions.build("softmax", {"score": "bald", "temperature": 0.125})
        Softmax(score=BALD(), temperature=0.125)

        Raises:
            PluginError: if the plugin or a parameter is unknown, or a value has the wrong type or is not allowed.
        """
        return self.resolve({name: dict(parameters or {})}).instance

    def resolve(self, spec: object) -> Plugin[P]:
        """Return the plugin of a specification in a suite file: `name` or `{name: {parameter: value}}`.

        Raises:
            PluginError: as `build`; the message starts with the place inside the specification.
        """
        named = fields.name_and_parameters(spec)
        if named is None:
            raise PluginError(
                f"{shown(spec)} does not specify a plugin ({self.noun}); write a name, or a name with its parameters: "
                "{name: {parameter: value}}"
            )
        name, parameters = named
        plugin_class = self.load(name)
        arguments, nested = _arguments(name, plugin_class, parameters)
        try:
            with unchanged():
                instance = plugin_class(**arguments)
        except GlobalStateError as error:
            raise PluginError(f"{name}: its constructor {error}") from error
        except Exception as error:  # a value that is not allowed, or another error in the constructor
            raise PluginError(f"{name}: {error}") from error
        values = {key: _as_json(key, instance, nested) for key in fields.fields_of(plugin_class)}
        try:
            json.dumps(values, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PluginError(f"{name}: a parameter cannot be written as JSON: {error}; got {shown(values)}") from error
        revision = "+".join([f"{name}:{plugin_class.revision}", *[plugin.revision for plugin in nested.values()]])  # type: ignore[attr-defined]
        label = fields.label_of(name, instance, {key: plugin.label for key, plugin in nested.items()})
        return Plugin(self.kind, name, values, label, instance, revision, tuple(nested.values()))

    def _require_known(self, name: str) -> None:
        if name not in self._entry_points:
            known = self.names()
            raise PluginError(
                f"unknown {self.noun} {shown(name)}{suggestion(name, known)} Installed: {', '.join(known)}"
            )

    def _listings_of(self, name: str) -> list[Listing]:
        error = self.why_broken(name)
        status = "broken" if error else "ok"
        distributions = [entry_point.dist for entry_point in self._entry_points[name]]
        origins = [(found.name, found.version) if found else ("unknown", "unknown") for found in distributions]
        return [Listing(name, self.kind, *origin, status, error) for origin in origins]

    def _examined(self, name: str) -> str | None:
        """Import a plugin and compute the digest of its source. Return why it is broken, or None if it is not."""
        found = self._entry_points[name]
        if len(found) > 1:
            return f"the name is used by {' and '.join(_origin(entry_point) for entry_point in found)}; uninstall one"
        try:
            with unchanged():
                loaded = found[0].load()
        except GlobalStateError as error:
            return f"importing {found[0].value} {error}"
        except (Exception, SystemExit) as error:  # any error of an import is reported and not raised
            return f"importing {found[0].value} failed: {type(error).__name__}: {error}"
        if isinstance(loaded, type):
            self._sources[name] = source.source_digest(loaded, found[0])
        return why_unsound(loaded, self.contract)


acquisitions: Registry[AcquisitionFunction] = Registry("acquisitions", "acquisition function", AcquisitionFunction)  # type: ignore[type-abstract]
models: Registry[BayesianModel] = Registry("models", "model", BayesianModel)  # type: ignore[type-abstract]
datasets: Registry[Dataset] = Registry("datasets", "data set", Dataset)  # type: ignore[type-abstract]
registries: dict[str, Registry[Any]] = {registry.kind: registry for registry in (acquisitions, models, datasets)}


def plugin_names() -> list[str]:
    """Return the names of plugins of all kinds, including broken plugins."""
    return [name for registry in registries.values() for name in registry.names()]


def registries_with(name: str) -> list[Registry[Any]]:
    """Return the registries that have a plugin of this name.

    Raises:
        PluginError: if there are none.
    """
    found = [registry for registry in registries.values() if name in registry.names()]
    if not found:
        known = plugin_names()
        raise PluginError(f"unknown plugin {shown(name)}{suggestion(name, known)} Installed: {', '.join(known)}")
    return found


def parameters_of(plugin_class: type) -> list[dict[str, Any]]:
    """Return the parameters of a plugin's class for display: name, type, whether required, default and meaning."""
    rows = []
    for name, field in fields.fields_of(plugin_class).items():
        annotation, default = fields.type_of(plugin_class, name), fields.default_of(field)
        contract = fields.contract_in(annotation)
        value = (
            _nested(name, contract, default).label if contract and default not in (None, fields.MISSING) else default
        )
        required = default is fields.MISSING
        type_text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
        meaning = field.metadata.get("meaning", "")
        rows.append(
            {
                "name": name,
                "type": type_text,
                "required": required,
                "default": None if required else value,
                "meaning": meaning,
            }
        )
    return rows


def _arguments(name: str, plugin_class: type, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Plugin[Any]]]:
    """Return the arguments of the constructor, including defaults, and the nested plugins among them."""
    known = fields.fields_of(plugin_class)
    unknown = [key for key in given if key not in known]
    if unknown:
        takes = f"It takes {', '.join(known)}" if known else "It takes no parameters"
        raise PluginError(f"{name}: unknown parameter {shown(unknown[0])}{suggestion(unknown[0], known)} {takes}")
    arguments: dict[str, Any] = {}
    nested: dict[str, Plugin[Any]] = {}
    for key, field in known.items():
        annotation = fields.type_of(plugin_class, key)
        value = given.get(key, fields.default_of(field))
        contract = fields.contract_in(annotation)
        if value is fields.MISSING:
            raise PluginError(f"{name}.{key}: missing; it has no default, so give a value")
        if contract is not None and not (value is None and fields.takes_none(annotation)):
            nested[key] = _nested(f"{name}.{key}", contract, value)
            arguments[key] = nested[key].instance
        else:
            arguments[key] = fields.checked(f"{name}.{key}", annotation, value) if key in given else value
    return arguments, nested


def _nested(where: str, contract: type, given: object) -> Plugin[Any]:
    registry = next(registry for registry in registries.values() if issubclass(contract, registry.contract))
    try:
        plugin = registry.resolve(_spec_of(registry, given) if isinstance(given, contract) else given)
    except PluginError as error:
        raise PluginError(f"{where}: {error}") from error
    if not isinstance(plugin.instance, contract):
        sound = [name for name in registry.names() if not registry.why_broken(name)]
        fitting = [name for name in sound if issubclass(registry.load(name), contract)]
        raise PluginError(f"{where}: {plugin.name!r} is not a {contract.__name__}; use one of {', '.join(fitting)}")
    return plugin


def _spec_of(registry: Registry[Any], instance: Any) -> dict[str, Any]:
    """Return the specification of a plugin that is the default of a parameter."""
    for name in registry.names():
        if not registry.why_broken(name) and registry.load(name) is type(instance):
            return {name: {key: getattr(instance, key) for key in fields.fields_of(type(instance))}}
    raise PluginError(f"the default {instance!r} is not an installed {registry.noun}")


def _as_json(key: str, instance: Any, nested: Mapping[str, Plugin[Any]]) -> Any:
    if key in nested:
        return {nested[key].name: nested[key].parameters}
    value = getattr(instance, key)
    return list(value) if isinstance(value, tuple) else value


def _origin(entry_point: EntryPoint) -> str:
    distribution = entry_point.dist
    return f"{distribution.name} {distribution.version}" if distribution else entry_point.value


def why_unsound(loaded: Any, contract: type) -> str | None:
    """Return why an object that an entry point loads is not a plugin of this contract, or None if it is."""
    if not inspect.isclass(loaded) or not issubclass(loaded, contract):
        return f"{loaded!r} is not a subclass of {contract.__name__}"
    if inspect.isabstract(loaded):
        return f"{loaded.__name__} does not implement {', '.join(sorted(vars(loaded)['__abstractmethods__']))}"
    if issubclass(loaded, OneSampleScore) and not _implements_scores(loaded):
        return f"{loaded.__name__} implements neither score_chunk nor scores; implement one of them"
    if "__dataclass_params__" not in vars(loaded) or not vars(loaded)["__dataclass_params__"].frozen:
        return f"{loaded.__name__} is not a frozen dataclass; decorate it with @dataclass(frozen=True)"
    return _why_needs_unsound(loaded) or _why_signatures_unsound(loaded) or _why_annotations_unsound(loaded)


def _implements_scores(loaded: type[OneSampleScore]) -> bool:
    return loaded.scores is not OneSampleScore.scores or loaded.score_chunk is not OneSampleScore.score_chunk


def _why_needs_unsound(loaded: type) -> str | None:
    needs: Any = getattr(loaded, "needs", frozenset())
    if isinstance(needs, property) or (isinstance(needs, frozenset) and needs <= NEEDS.keys()):
        return None
    known = ", ".join(sorted(NEEDS))
    return f"`needs` of {loaded.__name__} is {needs!r}; it has to be a frozenset with any of {known}"


def _why_signatures_unsound(loaded: type) -> str | None:
    """Return why a method does not accept the positional arguments of the harness, or None if all methods do."""
    for contract, names in CALLED.items():
        for name in names if issubclass(loaded, contract) else ():
            given = list(inspect.signature(getattr(contract, name)).parameters)
            signature = inspect.signature(getattr(loaded, name))
            try:
                signature.bind(*given)
            except TypeError as error:
                call = f"{name}({', '.join(given[1:])})"
                return f"{loaded.__name__}.{name}{signature} cannot be called as {call}: {error}"
    return None


def _why_annotations_unsound(loaded: type) -> str | None:
    try:
        fields.annotations_of(loaded)
    except Exception as error:
        return f"the annotations of {loaded.__name__} cannot be read: {type(error).__name__}: {error}"
    return None
