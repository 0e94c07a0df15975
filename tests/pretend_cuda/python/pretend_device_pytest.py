"""A plugin for `pytest -p pretend_device_pytest`: report what reached the pretend device and which tests broke it."""

from collections.abc import Iterator

import pretend_device
import pytest
import torch
from _pytest.terminal import TerminalReporter

_broke: list[str] = []


def pytest_configure() -> None:
    assert torch.cuda.is_available(), "start pytest with tests/pretend_cuda/run"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Record a test that leaves the device broken, and cure the device, so that later tests do not fail as well."""
    report = yield
    if call.when == "call" and pretend_device.is_broken():
        pretend_device.cure()
        _broke.append(item.nodeid)
    return report


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    terminalreporter.write_line(pretend_device.total())
    for where, times in pretend_device.clock_reads_with_work_queued.most_common(25):
        terminalreporter.write_line(f"  a clock was read {times} times with work queued: {where}")
    for nodeid in _broke:
        terminalreporter.write_line(f"  device-side assert, after which a real device is of no use: {nodeid}")
