"""The errors that the suite raises on purpose; each message says what, where, got, allowed and what to do next."""

import difflib
import reprlib
from collections.abc import Iterable, Sequence

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 120


class SoftalError(Exception):
    """Base of every error that is told to the user without a traceback. The command line exits with `exit_code`."""

    exit_code = 1


class SuiteError(SoftalError):
    """A suite file, a `--set`, an `--only` or another part of the request cannot be used as it stands."""

    exit_code = 2


class PluginError(SoftalError):
    """A plugin is unknown, broken, or was given parameters that it does not take."""

    exit_code = 2


class DataError(SoftalError):
    """A data set is not what it should be: arrays missing, shapes that do not fit, labels out of range."""

    exit_code = 2


class DataMissingError(DataError):
    """The files of a data set are not there and could not be fetched."""


class DeviceError(SoftalError):
    """The device asked for is not there."""

    exit_code = 2


class ExecutorError(SoftalError):
    """Trials cannot be computed where they were to be: a library, a plugin or a cluster is missing there."""

    exit_code = 2


class SelectionError(SoftalError):
    """An acquisition function returned a batch that cannot be acquired."""


class NumericalError(SoftalError):
    """A value is NaN or out of its bounds by more than rounding explains.

    Where it belongs to a point, `position` says to which of those that the raising function was given, and the message
    reads `<what> of point <position> <problem>`.
    """

    def __init__(self, what: str, problem: str, position: int | None = None) -> None:
        super().__init__(f"{what} {problem}" if position is None else f"{what} of point {position} {problem}")
        self.what = what
        self.problem = problem
        self.position = position

    def at(self, positions: Sequence[int]) -> "NumericalError":
        """The same error for a caller who gave a chunk: the point is named by its place in the whole."""
        if self.position is None:
            return self
        return type(self)(self.what, self.problem, positions[self.position])


class PredictionError(NumericalError):
    """A model returned values that are not log-probs. `what` names the model, so that nothing else is blamed for it."""


class GlobalStateError(SoftalError):
    """A plugin changed global state of the process. The message goes on from the plugin's name: `changed ...`."""


class JournalError(SoftalError):
    """A journal cannot be read as one; only its own trial is affected."""


class StorageError(SoftalError):
    """The disk refuses what is to be written."""


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM); told from Ctrl-C by its exit code alone."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """End a sentence about an unknown name: with the nearest known one, or with a full stop where none is near.

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
