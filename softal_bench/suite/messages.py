"""Messages that name the place of an error in a suite file."""

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
    """Prefix the message of a SuiteError from the body with `where`."""
    try:
        yield
    except SuiteError as error:
        raise SuiteError(f"{where}: {error}") from error


def validation_message(error: ValidationError, model: type[BaseModel], origins: Mapping[str, str]) -> str:
    """Return the first error that pydantic found, as `place: what; got value`.

    Args:
        error: the error that pydantic raised.
        model: the model that was validated.
        origins: the place in the file of each dotted key whose place is not the key itself.
    """
    errors = error.errors()  # a misspelt key is reported as unknown, not as another key that is missing
    first = next((each for each in errors if each["type"] == "extra_forbidden"), errors[0])
    place = _place(first["loc"], origins)
    if first["type"] == "extra_forbidden":
        known = _fields_at(model, first["loc"][:-1])
        what = f"unknown key{suggestion(str(first['loc'][-1]), known)} Known: {', '.join(known)}"
    elif first["type"] == "missing":
        what = "missing"
    elif first["type"] == "plugin":  # the message contains the value
        what = first["msg"]
    else:
        what = f"{first['msg']}; got {shown(first['input'])}"
    more = error.error_count() - 1
    return f"{place}{what}" + (f" (and {more} more)" if more else "")


def _fields_at(annotation: Any, loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys of the model at a location in an annotation, such as `list[Override]` at (0,)."""
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
