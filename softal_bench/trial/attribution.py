"""How an attempt can end other than well."""

import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from softal_bench.errors import GlobalStateError, PredictionError, SoftalError, first_line
from softal_bench.journal.lines import Ending, Status
from softal_bench.machine.isolation import unchanged
from softal_bench.machine.settings import SETTINGS, Setting
from softal_bench.registry import Plugin


class Ended(Exception):
    """An attempt is over before its time.

    Attributes:
        status: what the journal's last line says.
        details: a traceback from another process, or None.
    """

    def __init__(self, status: Ending, message: str, details: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.details = details


class Died(Exception):
    """The process that computed an attempt is gone without a word. The message says how.

    Attributes:
        lost: whether the machine went, or whoever kept the process, so that the job is not to blame.
    """

    def __init__(self, message: str, lost: bool = False) -> None:
        super().__init__(message)
        self.lost = lost


class PluginFailed(Ended):
    """A plugin raised; the cause is chained."""

    def __init__(self, message: str) -> None:
        super().__init__(Status.FAILED, message)


@contextmanager
def blame(noun: str, plugin: Plugin[Any], settings: Sequence[Setting] = SETTINGS) -> Iterator[None]:
    """Turn whatever a plugin raises into PluginFailed with its name, and running out of memory into MemoryError.

    Global state that the plugin changes is restored, and the change is a failure too.

    Args:
        noun, plugin: what the plugin is called in messages.
        settings: the global state that is watched; less than all of it for calls that are made often.
    """
    try:
        with unchanged(settings):
            yield
    except Ended:
        raise  # names its plugin already
    except GlobalStateError as error:
        raise PluginFailed(f"{noun} {plugin.label!r} {error}") from error
    except PredictionError as error:
        raise PluginFailed(str(error)) from error  # which names the model, also inside an acquisition function
    except SoftalError as error:
        raise PluginFailed(f"{noun} {plugin.label!r}: {error}") from error
    except (Exception, SystemExit) as error:
        if is_out_of_memory(error):
            raise MemoryError(f"{noun} {plugin.label!r}: {first_line(error)}") from error
        raise PluginFailed(f"{noun} {plugin.label!r} raised {type(error).__name__}: {error}") from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: Python's, a device's, or that of torch's CPU allocator, which raises a RuntimeError."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def ending_of(error: Exception) -> tuple[Ending, str, str | None] | None:
    """How an attempt ended that raised this: status, message, details; None where the error is nobody's but ours."""
    if not isinstance(error, Ended) and not is_out_of_memory(error):
        return None
    status = error.status if isinstance(error, Ended) else Status.OUT_OF_MEMORY
    return status, str(error) or type(error).__name__, details_of(error)


def details_of(error: BaseException) -> str | None:
    """The traceback of what a plugin raised, for the journal; nothing where no plugin raised."""
    if isinstance(error, Ended) and error.details:
        return error.details
    return "".join(traceback.format_exception(error)) if error.__cause__ else None
