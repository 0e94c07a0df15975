"""The registry of each kind of plugin."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from softal_bench.contracts import AcquisitionFunction, BayesianModel, Dataset
from softal_bench.errors import GlobalStateError, PluginError, shown, suggestion
from softal_bench.machine.isolation import unchanged
from softal_bench.registry import parameters as fields
from softal_bench.registry import source
from softal_bench.registry.soundness import why_unsound

P = TypeVar("P")
Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Plugin(Generic[P]):
    """A plugin with its parameters.

    Attributes:
        kind: "acquisitions", "models" or "datasets".
        name: its entry point's.
        parameters: all of them, defaults included, as JSON; a nested plugin is `{name: parameters}`.
        label: short, for tables: `bald`, `power(bald, T=0.125)`. Wrappers show all parameters, others those that have a
            symbol in their field or differ from the default.
        instance: the object, frozen.
        revision: its class's and those of the plugins in it, as text.
        nested: the plugins in it.
    """

    kind: str
    name: str
    parameters: dict[str, Any]
    label: str
    instance: P
    revision: str
    nested: "tuple[Plugin[Any], ...]"

    def describe(self) -> dict[str, Any]:
        """What journals keep: label, name and parameters."""
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
        noun: what one is called in messages.
        contract: the class that each plugin extends.
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
        """All names, broken ones included."""
        return list(self._entry_points)

    def load(self, name: str) -> type[P]:
        """The class of a plugin.

        Raises:
            PluginError: if the name is unknown (with the nearest known) or the plugin broken (with why).
        """
        self._require_known(name)
        error = self.why_broken(name)
        if error:
            raise PluginError(f"{self.noun} {name!r} is broken: {error}")
        loaded: type[P] = self._entry_points[name][0].load()
        return loaded

    def why_broken(self, name: str) -> str | None:
        """Why a plugin cannot be used, or None where it can."""
        if name not in self._broken:
            self._broken[name] = self._examined(name)
        return self._broken[name]

    def listing(self, name: str) -> Listing:
        """Where a plugin comes from and whether it can be used; of clashing ones the first.

        Raises:
            PluginError: if the name is unknown.
        """
        self._require_known(name)
        return self._listings_of(name)[0]

    def source(self, name: str) -> str | None:
        """The digest of a plugin's source, see `softal_bench.registry.source`; None where it cannot be read.

        It is computed when the plugin is imported, so a later edit of the file does not change it in this process.

        Raises:
            PluginError: as `load`.
        """
        self.load(name)
        return self._sources[name]

    def same_results(self, name: str, one: str, other: str) -> bool:
        """Whether two digests of a plugin's source are equal, or listed by its distribution as equivalent.

        Raises:
            PluginError: as `load`; and if the list of its distribution cannot be read.
        """
        self._require_known(name)
        return one == other or source.are_equivalent(self._entry_points[name][0].module, name, one, other)

    def listings(self) -> list[Listing]:
        """Every entry point with where it comes from and whether it can be used."""
        return [listing for name in self.names() for listing in self._listings_of(name)]

    def build(self, name: str, parameters: Parameters | None = None) -> P:
        """The plugin's object with these parameters; what is not given has its default.

        >>> acquisitions.build("softmax", {"score": "bald", "temperature": 0.125})
        Softmax(score=BALD(), temperature=0.125)

        Raises:
            PluginError: if the plugin or a parameter is unknown, or a value is of the wrong type or not allowed.
        """
        return self.resolve({name: dict(parameters or {})}).instance

    def resolve(self, spec: object) -> Plugin[P]:
        """The plugin that a suite file asks for: `name`, or `{name: {parameter: value}}`.

        Raises:
            PluginError: as `build`; the message starts with the place inside the specification.
        """
        name, parameters = _name_and_parameters(spec, self.noun)
        plugin_class = self.load(name)
        arguments, nested = _arguments(name, plugin_class, parameters)
        try:
            with unchanged():
                instance = plugin_class(**arguments)
        except GlobalStateError as error:
            raise PluginError(f"{name}: its constructor {error}") from error
        except Exception as error:  # a value that is not allowed, or a constructor that fails otherwise
            raise PluginError(f"{name}: {error}") from error
        values = {key: _as_json(key, instance, nested) for key in fields.fields_of(plugin_class)}
        try:
            json.dumps(values, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise PluginError(f"{name}: a parameter cannot be kept as JSON: {error}; got {shown(values)}") from error
        revision = "+".join([f"{name}:{plugin_class.revision}", *[plugin.revision for plugin in nested.values()]])  # type: ignore[attr-defined]
        label = _label(name, instance, nested)
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
        """Import a plugin and compute the digest of its source; why it is broken, or None."""
        found = self._entry_points[name]
        if len(found) > 1:
            return f"the name is taken by {' and '.join(_origin(entry_point) for entry_point in found)}; uninstall one"
        try:
            with unchanged():
                loaded = found[0].load()
        except GlobalStateError as error:
            return f"importing {found[0].value} {error}"
        except (Exception, SystemExit) as error:  # whatever a plugin's import does is told, not spread
            return f"importing {found[0].value} failed: {type(error).__name__}: {error}"
        if isinstance(loaded, type):
            self._sources[name] = source.source_digest(loaded, found[0])
        return why_unsound(loaded, self.contract)


acquisitions: Registry[AcquisitionFunction] = Registry("acquisitions", "acquisition function", AcquisitionFunction)  # type: ignore[type-abstract]
models: Registry[BayesianModel] = Registry("models", "model", BayesianModel)  # type: ignore[type-abstract]
datasets: Registry[Dataset] = Registry("datasets", "data set", Dataset)  # type: ignore[type-abstract]
registries: dict[str, Registry[Any]] = {registry.kind: registry for registry in (acquisitions, models, datasets)}


def plugin_names() -> list[str]:
    """The names of plugins of all kinds, broken ones included."""
    return [name for registry in registries.values() for name in registry.names()]


def registries_with(name: str) -> list[Registry[Any]]:
    """The registries in which a plugin has this name.

    Raises:
        PluginError: if none has.
    """
    found = [registry for registry in registries.values() if name in registry.names()]
    if not found:
        known = plugin_names()
        raise PluginError(f"unknown plugin {shown(name)}{suggestion(name, known)} Installed: {', '.join(known)}")
    return found


def parameters_of(plugin_class: type) -> list[dict[str, Any]]:
    """The parameters of a plugin's class for people: name, type as text, whether required, default, meaning."""
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


def _name_and_parameters(spec: object, noun: str) -> tuple[str, dict[str, Any]]:
    if isinstance(spec, str):
        return spec, {}
    if isinstance(spec, Mapping) and len(spec) == 1:
        ((name, parameters),) = spec.items()
        parameters = {} if parameters is None else parameters
        if (
            isinstance(name, str)
            and isinstance(parameters, Mapping)
            and all(isinstance(key, str) for key in parameters)
        ):
            return name, dict(parameters)
    raise PluginError(
        f"{shown(spec)} names no {noun}; write a name, or a name with its parameters: {{name: {{parameter: value}}}}"
    )


def _arguments(name: str, plugin_class: type, given: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Plugin[Any]]]:
    """The constructor's arguments, and the nested plugins among them (defaults included)."""
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
            raise PluginError(f"{name}.{key}: missing; it has no default")
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
        raise PluginError(f"{where}: {plugin.name!r} is no {contract.__name__}. Installed ones: {', '.join(fitting)}")
    return plugin


def _spec_of(registry: Registry[Any], instance: Any) -> dict[str, Any]:
    """The specification of an object that a class made as its own default."""
    for name in registry.names():
        if not registry.why_broken(name) and registry.load(name) is type(instance):
            return {name: {key: getattr(instance, key) for key in fields.fields_of(type(instance))}}
    raise PluginError(f"the default {instance!r} is no installed {registry.noun}")


def _as_json(key: str, instance: Any, nested: Mapping[str, Plugin[Any]]) -> Any:
    if key in nested:
        return {nested[key].name: nested[key].parameters}
    value = getattr(instance, key)
    return list(value) if isinstance(value, tuple) else value


def _label(name: str, instance: Any, nested: Mapping[str, Plugin[Any]]) -> str:
    parts = []
    for key, field in fields.fields_of(type(instance)).items():
        value = getattr(instance, key)
        if key in nested:
            parts.append(nested[key].label)
        elif nested or "symbol" in field.metadata or value != fields.default_of(field):
            text = _short_number(value) if isinstance(value, float) else str(value)
            parts.append(f"{field.metadata.get('symbol', key)}={text}")
    return f"{name}({', '.join(parts)})" if parts else name


def _short_number(value: float) -> str:
    """The shortest of `:g` and `repr` that is exact."""
    return f"{value:g}" if float(f"{value:g}") == value else repr(value)


def _origin(entry_point: EntryPoint) -> str:
    distribution = entry_point.dist
    return f"{distribution.name} {distribution.version}" if distribution else entry_point.value
