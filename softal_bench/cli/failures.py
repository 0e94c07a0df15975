"""How a command ends: messages for a user's mistakes, exit codes, no traceback."""

import functools
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn, ParamSpec

import click

from softal_bench.errors import SoftalError, Terminated

Arguments = ParamSpec("Arguments")


def told(command: Callable[Arguments, int]) -> Callable[Arguments, None]:
    """Run a command and exit with the status that it returns, or with that of the error that it raises.

    0 all done, 1 some trials failed (or a check failed), 2 bad usage or suite, 130 interrupted, 143 terminated, 141 if
    the reader of the output has gone.
    """

    @functools.wraps(command)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        signal.signal(signal.SIGTERM, _terminate)
        try:
            status = command(*args, **kwargs)
        except SoftalError as error:
            click.echo(f"Error: {error}", err=True)
            status = error.exit_code
        except Terminated:
            status = _stopped("terminated", 143)
        except KeyboardInterrupt:
            status = _stopped("interrupted", 130)
        except BrokenPipeError:
            sys.stderr.close()  # the reader of our output has gone; there is nobody to tell
            status = 128 + signal.SIGPIPE
        sys.exit(status)

    return wrapped


def _stopped(how: str, status: int) -> int:
    click.echo(f"\n{how}; what is journalled stands, and the same command goes on from there", err=True)
    return status


def _terminate(*_: Any) -> NoReturn:
    raise Terminated
