"""Messages that say where in a suite file something is wrong."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import ValidationError

from softal_bench.errors import SuiteError


@contextmanager
def located(where: str) -> Iterator[None]:
    """Put `where` before the message of a SuiteError that is raised inside."""
    try:
        yield
    except SuiteError as error:
        raise SuiteError(f"{where}: {error}") from error


def validation_message(error: ValidationError, origins: Mapping[str, str]) -> str:
    """The first thing that pydantic found wrong, as `place: what; got value`.

    `origins` maps a dotted key to the place in the file that it came from, where that is not the key itself.
    """
    first = error.errors()[0]
    place = _place(first["loc"], origins)
    if first["type"] == "extra_forbidden":
        what = "unknown key"
    elif first["type"] == "missing":
        what = "missing"
    elif first["type"] == "plugin":  # its message says what came
        what = first["msg"]
    else:
        what = f"{first['msg']}; got {first['input']!r}"
    more = error.error_count() - 1
    return f"{place}{what}" + (f" (and {more} more)" if more else "")


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
