"""The base of every command: options in groups in its help, errors as messages, and its exit code."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from softal_bench.cli.options import GROUPS, with_short_paths
from softal_bench.errors import SoftalError, Terminated

_RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}


class Command(click.Command):
    """A command whose callback returns its exit code.

    The exit codes are 0: all done; 1: some trials failed, or a check failed; 2: bad usage or suite; 130: interrupted;
    143: terminated; 141: the reader of the output closed the pipe. An error that the user can fix is a message, never a
    traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and exit with its exit code, or with that of the error that it raises."""
        with _signals():
            try:
                status = super().invoke(ctx)
            except SoftalError as error:
                click.echo(f"Error: {with_short_paths(error)}", err=True)
                status = error.exit_code
            except Terminated:
                status = _stopped("terminated", 143)
            except KeyboardInterrupt:
                status = _stopped("interrupted", 130)
            except BrokenPipeError:
                sys.stderr.close()  # Python would report the closed pipe again when it exits
                status = 128 + signal.SIGPIPE
        sys.exit(status)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups, each under its title."""
        groups: dict[str, list[tuple[str, str]]] = {title: [] for title in (*GROUPS, "Other options")}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record and isinstance(parameter, click.Option):
                groups[getattr(parameter, "group", "Other options")].append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def command(name: str | None = None, *, short_help: str) -> Callable[[Callable[..., int]], click.Command]:
    """Turn a function that returns an exit code into a command; its docstring is the help text."""
    return click.command(name, cls=Command, short_help=short_help)


def _stopped(how: str, status: int) -> int:
    click.echo(f"\n{how}; all complete rounds are kept. To continue, run the same command without --fresh", err=True)
    return status


@contextmanager
def _signals() -> Iterator[None]:
    """The first SIGINT or SIGTERM raises an exception; the second one ends this process and its workers at once."""
    seen = 0

    def stop(number: int, _frame: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > 1:
            os._exit(128 + number)
        raise _RAISED[signal.Signals(number)]

    before = {number: signal.getsignal(number) for number in _RAISED}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # a background process ignores SIGINT, because Ctrl-C is not meant for it
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
