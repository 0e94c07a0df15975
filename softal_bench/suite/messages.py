"""Messages that say where in a suite file something is wrong."""

import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ValidationError

from softal_bench.errors import SuiteError, shown, suggestion


@contextmanager
def located(where: str) -> Iterator[None]:
    """Put `where` before the message of a SuiteError that is raised inside."""
    try:
        yield
    except SuiteError as error:
        raise SuiteError(f"{where}: {error}") from error


def validation_message(error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]) -> str:
    """The first thing that pydantic found wrong, as `place: what; got value`.

    `model` is what was validated; `origins` maps a dotted key to the place in the file that it came from, where that is
    not the key itself.
    """
    errors = error.errors()  # a key that is misspelt is also one that is missing: tell the first
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    place = _place(first["loc"], origins)
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, first["loc"][:-1])
        what = f"unknown key{suggestion(str(first['loc'][-1]), known)} Known: {', '.join(known)}"
    elif first["type"] == "missing":
        what = "missing"
    elif first["type"] == "plugin":  # its message says what came
        what = first["msg"]
    else:
        what = f"{first['msg']}; got {shown(first['input'])}"
    more = error.error_count() - 1
    return f"{place}{what}" + (f" (and {more} more)" if more else "")


def _fields_at(annotation: Any, loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the model at a place inside an annotation, such as `list[Override]` at (0,)."""
    for part in loc:
        if isinstance(part, int):
            annotation = typing.get_args(annotation)[0]
        else:
            annotation = annotation.model_fields[part].annotation
        if isinstance(annotation, types.UnionType):  # `Model | None`
            annotation = next(option for option in typing.get_args(annotation) if inspect.isclass(option))
    return list(annotation.model_fields) if inspect.isclass(annotation) and issubclass(annotation, BaseModel) else []


def _place(loc: tuple[int | str, ...], origins: Mapping[str, str]) -> str:
    names = [str(part) for part in loc]
    for length in range(len(names), 0, -1):
        origin = origins.get(".".join(names[:length]))
        if origin:
            return f"{_dotted(origin, loc[length:])}: "
    return f"{_dotted('', loc)}: " if loc else ""


def _dotted(start: str, loc: tuple[int | str, ...]) -> str:
    for part in loc:
        start += f"[{part}]" if isinstance(part, int) else f".{part}" if start else part
    return start
