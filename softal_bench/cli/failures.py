"""How a command ends: messages for a user's mistakes, exit codes, no traceback."""

import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec

import click

from softal_bench.cli.options import with_short_paths
from softal_bench.errors import SoftalError, Terminated

Arguments = ParamSpec("Arguments")
_RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}


def told(command: Callable[Arguments, int]) -> Callable[Arguments, None]:
    """Run a command and exit with the status that it returns, or with that of the error that it raises.

    0 all done, 1 some trials failed (or a check failed), 2 bad usage or suite, 130 interrupted, 143 terminated, 141 if
    the reader of the output has gone.
    """

    @functools.wraps(command)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        with _signals():
            try:
                status = command(*args, **kwargs)
            except SoftalError as error:
                click.echo(f"Error: {with_short_paths(error)}", err=True)
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
    click.echo(f"\n{how}; all complete rounds are kept. To go on, run the same command, without --fresh", err=True)
    return status


@contextmanager
def _signals() -> Iterator[None]:
    """SIGINT and SIGTERM are raised, the first time. The second time this process ends at once, and its workers too."""
    seen = 0

    def stop(number: int, _frame: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            os._exit(128 + number)
        raise _RAISED[signal.Signals(number)]

    before = {number: signal.getsignal(number) for number in _RAISED}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # so it is for SIGINT in the background, where Ctrl-C is not meant for us
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
