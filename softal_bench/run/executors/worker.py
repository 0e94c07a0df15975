"""The body of a worker process: it computes trials, one after another, and answers with messages about each."""

import faulthandler
import multiprocessing
import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import cache
from multiprocessing.connection import Connection, wait
from os import _exit  # a call into a plugin replaces `os._exit`
from pathlib import Path

import filelock
import torch
from pydantic import ValidationError

from softal_bench.errors import JournalError, SoftalError, SuiteError
from softal_bench.journal.lines import Round, as_json, parse_json
from softal_bench.machine.device import context_is_lost, resolve_device
from softal_bench.run.executors.messages import (
    Computed,
    Deadline,
    Done,
    Failed,
    Message,
    Originated,
    Raised,
    Ready,
    Refused,
    Request,
    Unreadable,
    WorkerSetting,
)
from softal_bench.run.jobs import Job
from softal_bench.run.trials import TrialJob, TrialWork
from softal_bench.suite import Condition, TrialLimits
from softal_bench.suite.messages import validation_message
from softal_bench.trial.attribution import ending_of
from softal_bench.trial.data import prepare


def serve(connection: Connection, setting: WorkerSetting) -> None:
    """Compute the requested trials until the connection is closed."""
    _depend_on_parent()

    def send(message: Message) -> None:
        connection.send_bytes(message.to_json())

    work = cache(lambda: _work(setting, send))  # created at the first request, so that a missing device is reported
    while True:
        try:
            request = Request.from_json(connection.recv_bytes())
        except EOFError:
            return
        for message in _answers(work, request, setting.fetch):
            send(message)


def _answers(work: Callable[[], TrialWork], request: Request, fetch: bool) -> Iterator[Message]:
    try:
        job = _job(request)
        yield Originated(asdict(work().origin(job)))
        if fetch:
            _fetch(job, work().data_root)
        with work().computing(job):
            done = [line for line in map(parse_json, request.done) if isinstance(line, Round)]
            computation = work().take_up(job, done)
            yield Ready(computation.start, computation.provenance)
            for line in computation.measurements():
                yield Computed(as_json(line))
        yield Done()
    except JournalError as error:
        yield Unreadable(str(error))
    except SoftalError as error:
        yield Refused(str(error))
    except Exception as error:
        ending = ending_of(error)
        yield Failed(*ending, context_is_lost()) if ending else Raised(traceback.format_exc())


def _work(setting: WorkerSetting, send: Callable[[Message], None]) -> TrialWork:
    device = resolve_device(setting.device)
    if device.type == "cuda":
        torch.cuda.set_device(device)  # for plugins that use "cuda" without an index

    return TrialWork(
        Path(setting.data_root),
        device,
        TrialLimits(**setting.limits),
        lambda seconds, text: send(Deadline(seconds, text)),
    )


def _job(request: Request) -> TrialJob:
    """Return the requested trial, with the plugins that are installed here.

    Raises:
        SuiteError: if plugins are missing, or give the trial another key.
    """
    try:
        condition = Condition(**request.condition)
    except ValidationError as error:
        raise SuiteError(f"a worker cannot read the condition: {validation_message(error, Condition, {})}") from error
    key = condition.key(request.trial)
    if key != request.key:
        raise SuiteError(
            f"trial {request.key} has the key {key} in a worker's installation; install the same versions of "
            "softal-bench and of its plugins for the worker as here"
        )
    return Job(condition, request.trial, Path(key), 0, key)


def _fetch(job: TrialJob, data_root: Path) -> None:
    """Download data that are missing here. Only one worker of this machine downloads at a time."""
    with filelock.FileLock(Path(tempfile.gettempdir()) / f"softal-bench-fetching-{os.getuid()}.lock"):
        prepare(job.condition.dataset, data_root)


def _depend_on_parent() -> None:
    """End this process when its parent ends, and ignore signals to the whole group, which the runner handles.

    Standard output and the traceback of a crash go to standard error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.dup2(2, 1)
    faulthandler.enable(2)  # not sys.stderr, which may have been replaced
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        _exit(1)

    threading.Thread(target=watch, daemon=True).start()
