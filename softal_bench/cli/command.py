"""The base of every command: options in groups in its help, errors as messages, and its exit code."""

import contextlib
import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import _exit  # a call into a plugin replaces `os._exit`
from typing import Any

import click

from softal_bench.cli.options import GROUPS, say, with_short_paths
from softal_bench.errors import SoftalError, Terminated

_SAME_STOP_SECONDS = 1.0
_RAISED = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}


class Main(click.Group):
    """The group of all commands. It prepares the standard streams, and reports their errors and those of files."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Run a command. Errors of the disk, of the terminal and of encodings are messages; the exit code is 1."""
        _open_standard_streams()
        try:
            try:
                return super().main(*args, **extra)
            finally:
                sys.stdout.flush()
        except BrokenPipeError:
            _discard_output()
            sys.exit(128 + signal.SIGPIPE)
        except (OSError, UnicodeError) as error:
            _discard_output()
            say(f"Error: {_cause(error)}", err=True)
            sys.exit(1)


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
                say(f"Error: {with_short_paths(error)}", err=True)
                status = error.exit_code
            except Terminated:
                status = _stopped("terminated", 143)
            except KeyboardInterrupt:
                status = _stopped("interrupted", 130)
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


def _open_standard_streams() -> None:
    """Open closed standard streams on the null device, and make output show `?` where it cannot encode a character.

    Otherwise the next files or pipes that the process opens would be its standard streams.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
            os.set_inheritable(opened, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 (stays open)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _discard_output() -> None:
    """Discard output that could not be written; otherwise Python would try again when it exits."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def _cause(error: OSError | UnicodeError) -> str:
    """A message about an error that no part of the suite expected: what and where, and what to do."""
    if isinstance(error, UnicodeError):
        return f"text that cannot be encoded or decoded: {error}; check the names of files and the language settings"
    reason = error.strerror or str(error)
    if error.filename is None:
        return f"input or output failed: {reason}; check where the output goes, and free some space"
    where = with_short_paths(os.fsdecode(error.filename))
    return f"{where}: {reason}; check the path and its permissions, then run the command again"


def _stopped(how: str, status: int) -> int:
    say(f"\n{how}; all complete rounds are kept. To continue, run the same command without --fresh", err=True)
    return status


@contextmanager
def _signals() -> Iterator[None]:
    """The first SIGINT or SIGTERM raises an exception; a later one ends this process and its workers at once.

    A terminal and a parent process may both pass the same stop on, so that signals that follow the first one closely
    are ignored.
    """
    first: float | None = None

    def stop(number: int, _frame: Any) -> None:
        nonlocal first
        now = time.monotonic()
        if first is None:
            first = now
            raise _RAISED[signal.Signals(number)]
        if now - first > _SAME_STOP_SECONDS:
            os.write(2, b"\nstopped at once; all complete rounds are kept\n")
            _exit(128 + number)

    before = {number: signal.getsignal(number) for number in _RAISED}
    for number, handler in before.items():
        if handler != signal.SIG_IGN:  # a background process ignores SIGINT, because Ctrl-C is not meant for it
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
