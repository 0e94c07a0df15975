"""The global settings and states of the process that the harness monitors, and how each is read and restored."""

import gc
import math
import operator
import os
import random
import signal
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import torch

from softal_bench.machine.threads import native_threads, set_native_threads

_MIXED = "mixed settings"  # torch refuses to read a precision that was set through its old and new functions at once
_DENORMAL = 5e-324
_SAME_TIME = 0.5  # seconds; two readings of one timer differ by the time between reading the clock and the timer


def _never(before: Any, after: Any) -> bool:
    return False


def _always(before: Any, after: Any) -> bool:
    return True


def _only_adds(before: dict[str, Any], after: dict[str, Any]) -> bool:
    return before.items() <= after.items()


@dataclass(frozen=True, eq=False)
class Setting:
    """One global setting or state.

    Attributes:
        name: the name in messages.
        read: returns the value, which can be compared with `==`.
        restore: sets the setting to a value that was read.
        comes_with_imports: returns whether importing a library may make a change (value before, value after), so that
            it does not fail the trial.
        is_shown: whether messages show the values.
        is_same: returns whether two values have the same effect.
    """

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]
    comes_with_imports: Callable[[Any, Any], bool] = _never
    is_shown: bool = True
    is_same: Callable[[Any, Any], bool] = operator.eq


def _precision(name: str, read: Callable[[], Any], write: Callable[[Any], object]) -> Setting:
    def readable() -> Any:
        try:
            return read()
        except RuntimeError:
            return _MIXED

    def restore(value: Any) -> None:
        if value != _MIXED:
            write(value)

    return Setting(name, readable, restore, is_same=_same_precision)


def _same_precision(before: Any, after: Any) -> bool:
    """Return whether they are equal, or both full: `set_float32_matmul_precision("highest")` turns "none" to "ieee"."""
    return before == after or {before, after} == {"none", "ieee"}


def _attribute(path: str, name: str) -> Setting | None:
    """Return the setting torch.<path>.<name>, or None if this version of torch does not have it."""
    try:
        owner = attrgetter(path)(torch)
    except AttributeError:
        return None
    if not hasattr(owner, name):
        return None
    return _precision(f"torch.{path}.{name}", lambda: getattr(owner, name), lambda value: setattr(owner, name, value))


_PRECISION_OWNERS = (
    "backends",
    "backends.cuda.matmul",
    "backends.cudnn",
    "backends.cudnn.conv",
    "backends.cudnn.rnn",
    "backends.mkldnn",
    "backends.mkldnn.matmul",
    "backends.mkldnn.conv",
    "backends.mkldnn.rnn",
)
_OTHER_ATTRIBUTES = (
    ("backends.cudnn", "allow_tf32"),
    ("backends.cuda.matmul", "allow_tf32"),
    ("backends.cuda.matmul", "allow_fp16_reduced_precision_reduction"),
    ("backends.cuda.matmul", "allow_bf16_reduced_precision_reduction"),
    ("backends.cudnn", "enabled"),
    ("backends.cudnn", "benchmark"),
    ("backends.cudnn", "deterministic"),
)
_ATTRIBUTES = (*_OTHER_ATTRIBUTES, *((owner, "fp32_precision") for owner in _PRECISION_OWNERS))


def _autocast(device_type: str) -> Setting:
    return Setting(
        f"torch's autocast on {device_type}",
        lambda: torch.is_autocast_enabled(device_type),
        lambda value: torch.set_autocast_enabled(device_type, value),
    )


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(value: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])


def _default_device() -> str:
    return str(torch.get_default_device())


def _set_default_device(value: str) -> None:
    torch.set_default_device(None if value == "cpu" else value)  # None removes torch's hook


def _anomaly() -> tuple[bool, bool]:
    return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


def _set_anomaly(value: tuple[bool, bool]) -> None:
    torch.set_anomaly_enabled(*value)


def _torch_generator() -> bytes:
    return torch.get_rng_state().numpy().tobytes()


def _set_torch_generator(state: bytes) -> None:
    torch.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8))


def _cuda_generators() -> dict[str, bytes]:
    """Return the state of each device's generator, once CUDA has been initialised."""
    if not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return {}
    generators = enumerate(torch.cuda.default_generators)
    return {str(number): generator.get_state().numpy().tobytes() for number, generator in generators}


def _set_cuda_generators(states: dict[str, bytes]) -> None:
    for number, state in states.items():
        torch.cuda.set_rng_state(torch.frombuffer(bytearray(state), dtype=torch.uint8), int(number))


def _numpy_generator() -> tuple[Any, ...]:
    state = np.random.get_state(legacy=False)
    assert isinstance(state, dict)
    inner = tuple((name, value.tobytes() if isinstance(value, np.ndarray) else value) for name, value in _items(state))
    return (state["bit_generator"], inner, state["has_gauss"], state["gauss"])


def _items(state: dict[str, Any]) -> list[tuple[str, Any]]:
    return sorted(state["state"].items())


def _set_numpy_generator(value: tuple[Any, ...]) -> None:
    name, inner, has_gauss, gauss = value
    state = {key: np.frombuffer(part, np.uint32) if isinstance(part, bytes) else part for key, part in inner}
    np.random.set_state({"bit_generator": name, "state": state, "has_gauss": has_gauss, "gauss": gauss})


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except FileNotFoundError:
        return None


def _set_working_folder(value: str | None) -> None:
    if value is not None:
        with suppress(OSError):
            os.chdir(value)


def _environment() -> dict[str, str]:
    return dict(os.environ)


def _set_environment(value: dict[str, str]) -> None:
    for name in os.environ.keys() - value.keys():
        del os.environ[name]
    for name, text in value.items():
        if os.environ.get(name) != text:
            os.environ[name] = text


def _handler(name: str) -> Setting:
    number = getattr(signal, name)

    def restore(value: Any) -> None:
        if value is not None and threading.current_thread() is threading.main_thread():
            signal.signal(number, value)

    return Setting(f"the handler of {name}", lambda: signal.getsignal(number), restore)


@dataclass(frozen=True)
class _Armed:
    """A running timer: its deadline by the monotonic clock, and the interval of repetitions in seconds (0: none)."""

    deadline: float
    interval: float


def _read_timer() -> _Armed | None:
    now = time.monotonic()
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    is_armed = left > 0 or interval > 0  # `left` is 0 between the end of a timer and the arrival of its signal
    return _Armed(now + left, interval) if is_armed else None


def _set_timer(value: _Armed | None) -> None:
    if value is None:
        signal.setitimer(signal.ITIMER_REAL, 0)
    else:
        signal.setitimer(signal.ITIMER_REAL, max(value.deadline - time.monotonic(), 1e-6), value.interval)


def _same_timer(before: _Armed | None, after: _Armed | None) -> bool:
    """Return whether the timer still has its deadline, or has gone off and follows its interval.

    A timer with an interval may also go off earlier, since the handler of a time limit makes it try again soon.
    """
    if before is None:
        return after is None
    if after is None:
        return before.interval == 0 and time.monotonic() >= before.deadline
    if before.interval != after.interval:
        return False
    now = time.monotonic()
    earliest = -math.inf if before.interval else before.deadline
    latest = max(before.deadline, now + before.interval) if now >= before.deadline else before.deadline
    return earliest - _SAME_TIME <= after.deadline <= latest + _SAME_TIME


def _set_warning_filters(value: list[Any]) -> None:
    warnings.filters[:] = value  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]  # otherwise cached decisions are kept


def _set_gc(value: bool) -> None:
    (gc.enable if value else gc.disable)()


# Settings that may change the numbers of a call, and that are read in microseconds.
FREQUENT: tuple[Setting, ...] = (
    Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Setting("torch's default device", _default_device, _set_default_device),
    Setting("torch's grad mode", torch.is_grad_enabled, torch.set_grad_enabled),
    _precision(
        "torch's float32 matmul precision", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    ),
    *(found for owner, name in _ATTRIBUTES if (found := _attribute(owner, name))),
    Setting("torch's deterministic algorithms (enabled, warn only)", _deterministic, _set_deterministic),
    _autocast("cpu"),
    _autocast("cuda"),
    Setting("torch's anomaly mode (enabled, checks for NaN)", _anomaly, _set_anomaly),
    Setting("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    Setting("the flushing of denormal numbers", lambda: _DENORMAL * 1.0 == 0.0, torch.set_flush_denormal),
)
# FREQUENT without grad mode, which changes the cost of a call but not its result.
CHANGING_NUMBERS = frozenset(setting for setting in FREQUENT if setting.read is not torch.is_grad_enabled)
GENERATORS: tuple[Setting, ...] = (
    Setting("torch's global generator", _torch_generator, _set_torch_generator, _always, is_shown=False),
    Setting("torch's global CUDA generators", _cuda_generators, _set_cuda_generators, _always, is_shown=False),
    Setting("NumPy's global generator", _numpy_generator, _set_numpy_generator, _always, is_shown=False),
    Setting("Python's global generator (random)", random.getstate, random.setstate, _always, is_shown=False),
)
# Its values are times, which would not help the reader of a message.
TIMER = Setting(
    "the timer of SIGALRM (signal.alarm, setitimer)", _read_timer, _set_timer, is_shown=False, is_same=_same_timer
)
SETTINGS: tuple[Setting, ...] = (
    *FREQUENT,
    *GENERATORS,
    Setting("the number of threads of native libraries", native_threads, set_native_threads, _only_adds),
    Setting("the working folder", _working_folder, _set_working_folder),
    Setting("environment variables", _environment, _set_environment, _only_adds),
    *(_handler(name) for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGHUP") if hasattr(signal, name)),
    TIMER,
    Setting("NumPy's handling of floating-point errors", np.geterr, lambda value: np.seterr(**value)),
    Setting("warning filters", lambda: list(warnings.filters), _set_warning_filters, _always, is_shown=False),
    Setting("garbage collection", gc.isenabled, _set_gc),
)
