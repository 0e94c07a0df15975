"""The errors that the suite raises on purpose. A message says what is wrong and where, what is allowed, what to do."""

import difflib
import reprlib
from collections.abc import Iterable, Sequence

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120


class SoftalError(Exception):
    """The base of all errors that are reported to the user without a traceback. Commands exit with `exit_code`."""

    exit_code = 1


class SuiteError(SoftalError):
    """A suite file, a `--set`, an `--only` or another part of the request is not valid."""

    exit_code = 2


class PluginError(SoftalError):
    """A plugin is unknown or broken, or does not accept its parameters."""

    exit_code = 2


class DataError(SoftalError):
    """A data set is not valid: arrays are missing, shapes do not match, or labels are out of range."""

    exit_code = 2


class DataMissingError(DataError):
    """The files of a data set are missing and could not be downloaded."""


class DeviceError(SoftalError):
    """The requested device does not exist."""

    exit_code = 2


class ExecutorError(SoftalError):
    """Trials cannot be computed with the requested executor: a library, a plugin or a cluster is missing."""

    exit_code = 2


class SelectionError(SoftalError):
    """An acquisition function returned a batch that cannot be acquired."""


class NumericalError(SoftalError):
    """A value is NaN, or out of its bounds by more than rounding explains.

    If it belongs to a point, `position` is the position of the point among those that the raising function received,
    and the message reads `<what> of point <position> <problem>`.
    """

    def __init__(self, what: str, problem: str, position: int | None = None) -> None:
        super().__init__(f"{what} {problem}" if position is None else f"{what} of point {position} {problem}")
        self.what = what
        self.problem = problem
        self.position = position

    def at(self, positions: Sequence[int]) -> "NumericalError":
        """Return the same error with the position of the point in the pool, for a caller that passed a chunk."""
        if self.position is None:
            return self
        return type(self)(self.what, self.problem, positions[self.position])


class PredictionError(NumericalError):
    """A model returned values that are not log-probs. `what` names the model, so that the error is attributed to it."""


class GlobalStateError(SoftalError):
    """A plugin changed global state of the process. The message follows the plugin's name: `changed ...`."""


class JournalError(SoftalError):
    """A file is not a valid journal. Only its own trial is affected."""


class StorageError(SoftalError):
    """A file cannot be written or read."""


class Terminated(KeyboardInterrupt):
    """The process received SIGTERM. It differs from Ctrl-C only in its exit code."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the nearest known name, or a full stop if none is near.

    >>> suggestion("sofmax", ["softmax", "power"])
    "; did you mean 'softmax'?"
    >>> suggestion("zzz", ["softmax", "power"])
    '.'
    """
    near = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else "."


def message_of(error: BaseException) -> str:
    """Return an error's message, or the name of its type if it has none or cannot be turned into text."""
    try:
        return str(error) or type(error).__name__
    except Exception:  # a plugin's error may have any `__str__`
        return type(error).__name__


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its type if it has none."""
    return (message_of(error).strip().splitlines() or [type(error).__name__])[0]


def shown(value: object) -> str:
    """A value as it came, cut short if it is long."""
    return _SHORT.repr(value)


def one_line(text: str) -> str:
    """Return the text on one line, without control characters.

    >>> one_line("two\\nlines\\x1b[31m")
    'two lines[31m'
    """
    return " ".join("".join(letter for letter in text if letter.isprintable() or letter.isspace()).split())


def printable(text: str) -> str:
    """Return the text without characters that steer a terminal; line breaks and tabs stay.

    >>> printable("red\\x1b[31m\\nline")
    'red[31m\\nline'
    """
    return "".join(letter for letter in text if letter.isprintable() or letter in "\n\t")
