"""What a worker process does: it takes trials up, one after another, and tells how they go on (see `process`)."""

import faulthandler
import json
import multiprocessing
import os
import signal
import tempfile
import threading
import traceback
from collections.abc import Iterator
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import filelock
import torch
from pydantic import ValidationError

from softal_bench.errors import JournalError, SoftalError, SuiteError
from softal_bench.machine.device import resolve_device
from softal_bench.run.executors.process import Message, Request
from softal_bench.run.jobs import Job
from softal_bench.run.trial_work import TrialJob, TrialWork
from softal_bench.suite import Condition, TrialLimits
from softal_bench.suite.messages import validation_message
from softal_bench.trial.attribution import ending_of
from softal_bench.trial.data import prepare


def serve(connection: Connection, setting: dict[str, Any]) -> None:
    """Compute the trials that are asked for, until nobody asks any more."""
    _depend_on_parent()

    def send(*message: Any) -> None:
        connection.send_bytes(json.dumps(message).encode())

    work = cache(lambda: _work(setting, send))  # the device may be missing, which is an answer too
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        for message in _answers(work, request, setting["fetch"]):
            send(*message)


def _answers(work: Any, request: Request, fetch: bool) -> Iterator[Message]:
    try:
        job = _job(request)
        yield ["origin", work().origin(job)]
        if fetch:
            _fetch(job, work().data_root)
        with work().computing(job):
            attempt = work().take_up(job, request["done"])
            yield ["ready", attempt.start, attempt.provenance]
            for line in attempt.lines():
                yield ["line", line]
        yield ["done"]
    except JournalError as error:
        yield ["unreadable", str(error)]
    except SoftalError as error:
        yield ["refused", str(error)]
    except Exception as error:
        ending = ending_of(error)
        yield ["ended", *ending] if ending else ["raised", traceback.format_exc()]


def _work(setting: dict[str, Any], send: Any) -> TrialWork:
    device = resolve_device(setting["device"])
    if device.type == "cuda":
        torch.cuda.set_device(device)  # for plugins that say no more than "cuda"

    def on_deadline(seconds: float | None, message: str) -> None:
        send("within", seconds, message)

    return TrialWork(Path(setting["data_root"]), device, TrialLimits(**setting["limits"]), on_deadline)


def _job(request: Request) -> TrialJob:
    """The trial that is asked for, with the plugins that are installed here.

    Raises:
        SuiteError: if they are missing, or give the trial another key.
    """
    try:
        condition = Condition(**request["condition"])
    except ValidationError as error:
        raise SuiteError(f"a worker cannot read the condition: {validation_message(error, Condition, {})}") from error
    key = condition.key(request["trial"])
    if key != request["key"]:
        raise SuiteError(
            f"trial {request['key']} has the key {key} where a worker is; install the same versions of softal-bench "
            "and of its plugins there as here"
        )
    return Job(condition, request["trial"], Path(key), 0, key)


def _fetch(job: TrialJob, data_root: Path) -> None:
    """Fetch data that are missing here, while no other worker of this machine does."""
    with filelock.FileLock(Path(tempfile.gettempdir()) / f"softal-bench-fetching-{os.getuid()}.lock"):
        prepare(job.condition.dataset, data_root)


def _depend_on_parent() -> None:
    """Have this process end with its runner, whatever ends that. Signals to the whole group are for the runner.

    What plugins print goes to standard error, and so does where they crash.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.dup2(2, 1)
    faulthandler.enable(2)  # whatever stands for sys.stderr
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
