"""From the matrix of a suite to its conditions: all combinations, except for `exclude`, changed by `overrides`."""

import copy
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError

from softal_bench.errors import SuiteError, suggestion
from softal_bench.suite.condition import AnyCondition
from softal_bench.suite.keys import SuiteKeys
from softal_bench.suite.messages import located, validation_message

MAX_CONDITIONS = 100_000

Raw = dict[str, Any]
C = TypeVar("C", bound=AnyCondition)


@dataclass(frozen=True)
class _Combination(Generic[C]):
    """A condition as it is written in the file.

    Attributes:
        raw: its keys, as written.
        origins: the place in the file of each dotted key that is not at the top level.
        condition: the validated condition.
    """

    raw: Raw
    origins: dict[str, str]
    condition: C

    def overridden(self, changes: Mapping[str, Any], origin: str) -> "_Combination[C]":
        """Return this combination with some keys set."""
        raw = copy.deepcopy(self.raw)
        for key, value in changes.items():
            set_key(raw, key, value)
        return _validated(type(self.condition), raw, {**self.origins, **{key: f"{origin}.{key}" for key in changes}})


def expand(condition_class: type[C], base: Raw, keys: SuiteKeys) -> list[C]:
    """Return the validated conditions of a suite, in the order of the file.

    Raises:
        SuiteError: if a condition is invalid, two conditions are the same, there are none or too many, or an `exclude`
            or an override matches nothing.
    """
    kept = _overridden(_not_excluded(_combinations(condition_class, base, keys.matrix), keys), keys)
    for combination in kept:
        combination.condition.require_sound()
    conditions = [combination.condition for combination in kept]
    _require_distinct(conditions)
    return conditions


def set_key(data: Raw, key: str, value: Any) -> None:
    """Set a dotted key in nested mappings. Create missing mappings."""
    *path, last = key.split(".")
    for part in path:
        data = data.setdefault(part, {})
        if not isinstance(data, dict):
            raise SuiteError(f"{part!r} is not a mapping, so {key!r} cannot be set in it")
    data[last] = copy.deepcopy(value)


def _combinations(condition_class: type[C], base: Raw, matrix: Mapping[str, list[Any]]) -> list[_Combination[C]]:
    count = math.prod(len(values) for values in matrix.values())
    if count > MAX_CONDITIONS:
        raise SuiteError(f"matrix: {count} conditions; at most {MAX_CONDITIONS} are allowed")
    for key in matrix:
        if key in base:
            raise SuiteError(f"{key}: it is in the matrix and outside it; remove one of the two")
        if key.split(".")[0] not in condition_class.model_fields:
            raise SuiteError(
                f"matrix: unknown key {key!r}{suggestion(key, condition_class.model_fields)} "
                f"Known: {', '.join(condition_class.model_fields)}"
            )
    combinations = []
    for choice in itertools.product(*map(enumerate, matrix.values())):
        raw, origins = copy.deepcopy(base), {}
        for key, (number, value) in zip(matrix, choice, strict=True):
            set_key(raw, key, value)
            origins[key] = f"matrix.{key}[{number}]"
        combinations.append(_validated(condition_class, raw, origins))
    return combinations


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
        raise SuiteError("exclude: every condition is excluded; at least one has to be left")
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
        found = {id(combination) for combination in combinations if combination.condition.matches(where)}
        if not found:
            labels = sorted({combination.condition.acquisition.label for combination in combinations})
            raise SuiteError(f"matches no condition: {dict(where)}; the acquisition functions are {', '.join(labels)}")
    return found


def _require_distinct(conditions: Sequence[AnyCondition]) -> None:
    seen: set[str] = set()
    for condition in conditions:
        key = condition.key(0)
        if key in seen:
            raise SuiteError(
                f"matrix: two conditions are the same: {condition.acquisition.label} with batch_size "
                f"{condition.batch_size}; remove one of them, or exclude it where a key of the matrix does not affect "
                "it, such as targets for an acquisition function that does not use targets"
            )
        seen.add(key)
