"""The matrix of a suite -> its conditions: lists multiply, `exclude` takes out, `overrides` set."""

import copy
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from softal_bench.errors import SuiteError, suggestion
from softal_bench.suite.condition import NAMED, AnyCondition, dig
from softal_bench.suite.keys import SuiteKeys
from softal_bench.suite.messages import located, validation_message

MAX_CONDITIONS = 100_000

Raw = dict[str, Any]
C = TypeVar("C", bound=AnyCondition)


@dataclass(frozen=True)
class _Combination(Generic[C]):
    """A condition, with its keys as written and the place in the file of those that are not at its top."""

    raw: Raw
    origins: dict[str, str]
    condition: C

    def overridden(self, changes: Mapping[str, Any], origin: str) -> "_Combination[C]":
        """This combination with some keys set."""
        raw = copy.deepcopy(self.raw)
        for key, value in changes.items():
            set_key(raw, key, value)
        return _validated(type(self.condition), raw, {**self.origins, **{key: f"{origin}.{key}" for key in changes}})


def expand(condition_class: type[C], base: Raw, keys: SuiteKeys) -> list[C]:
    """The conditions of a suite, in the order of the file, each validated.

    Raises:
        SuiteError: if a condition is not sound, two are the same, there are none or too many, or an `exclude` or an
            override matches nothing.
    """
    kept = _overridden(_not_excluded(_combinations(condition_class, base, keys.matrix), keys), keys)
    for combination in kept:
        combination.condition.require_sound()
    conditions = [combination.condition for combination in kept]
    _require_distinct(conditions)
    return conditions


def matches(condition: AnyCondition, where: Mapping[str, Any]) -> bool:
    """Whether the condition has, for every key, the value given or one of a list of them.

    A plugin, or another named part, is matched by its name or by its label, anything else by its value.

    Raises:
        SuiteError: if a key is unknown.
    """
    return all(_is_one_of(dig(condition, key), wanted) for key, wanted in where.items())


def set_key(data: Raw, key: str, value: Any) -> None:
    """Set a dotted key in nested mappings, making the mappings that are missing on the way."""
    *path, last = key.split(".")
    for part in path:
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise SuiteError(f"{part!r} is no mapping, so {key!r} cannot be set in it")
    data[last] = copy.deepcopy(value)


def _combinations(condition_class: type[C], base: Raw, matrix: Mapping[str, list[Any]]) -> list[_Combination[C]]:
    count = math.prod(len(values) for values in matrix.values())
    if count > MAX_CONDITIONS:
        raise SuiteError(f"matrix: {count} conditions; at most {MAX_CONDITIONS} are allowed")
    for key in matrix:
        if key in base:
            raise SuiteError(f"{key}: stands in the matrix and outside it; keep one")
        if key.split(".")[0] not in condition_class.model_fields:
            raise SuiteError(
                f"matrix: unknown key {key!r}{suggestion(key, condition_class.model_fields)} "
                f"Known: {', '.join(condition_class.model_fields)}"
            )
    choices = itertools.product(*map(enumerate, matrix.values()))
    return [_combination(condition_class, base, list(matrix), choice) for choice in choices]


def _combination(
    condition_class: type[C], base: Raw, keys: list[str], choice: tuple[tuple[int, Any], ...]
) -> _Combination[C]:
    raw, origins = copy.deepcopy(base), {}
    for key, (number, value) in zip(keys, choice, strict=True):
        set_key(raw, key, value)
        origins[key] = f"matrix.{key}[{number}]"
    return _validated(condition_class, raw, origins)


def _validated(condition_class: type[C], raw: Raw, origins: dict[str, str]) -> _Combination[C]:
    try:
        return _Combination(raw, origins, condition_class(**raw))
    except ValidationError as error:
        raise SuiteError(validation_message(error, condition_class, origins)) from error


def _not_excluded(combinations: list[_Combination[C]], keys: SuiteKeys) -> list[_Combination[C]]:
    for number, where in enumerate(keys.exclude):
        excluded = _matching(combinations, where, f"exclude[{number}]")
        combinations = [combination for combination in combinations if id(combination) not in excluded]
    if not combinations:
        raise SuiteError("exclude: takes out every condition; zero are left")
    return combinations


def _overridden(combinations: list[_Combination[C]], keys: SuiteKeys) -> list[_Combination[C]]:
    for number, override in enumerate(keys.overrides):
        place = f"overrides[{number}]"
        matching = _matching(combinations, override.where, f"{place}.where")
        combinations = [
            combination.overridden(override.set, f"{place}.set") if id(combination) in matching else combination
            for combination in combinations
        ]
    return combinations


def _matching(combinations: list[_Combination[C]], where: Mapping[str, Any], place: str) -> set[int]:
    with located(place):
        found = {id(combination) for combination in combinations if matches(combination.condition, where)}
        if not found:
            labels = sorted({combination.condition.acquisition.label for combination in combinations})
            raise SuiteError(
                f"matches no condition: {dict(where)}; acquisition functions there are {', '.join(labels)}"
            )
    return found


def _is_one_of(value: Any, wanted: Any) -> bool:
    options = wanted if isinstance(wanted, list) else [wanted]
    if isinstance(value, NAMED):
        return value.name in options or value.label in options
    return any(isinstance(value, bool) == isinstance(option, bool) and value == option for option in options)


def _require_distinct(conditions: Sequence[AnyCondition]) -> None:
    seen: set[str] = set()
    for condition in conditions:
        key = condition.key(0)
        if key in seen:
            raise SuiteError(
                f"matrix: two conditions are the same: {condition.acquisition.label} with batch_size "
                f"{condition.batch_size}; remove one, or exclude it where a key that varies decides nothing for it, as "
                "targets do for what reads none"
            )
        seen.add(key)
