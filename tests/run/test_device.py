"""The device that is asked for is there, or an error says so."""

import pytest
import torch

from softal_bench.errors import DeviceError
from softal_bench.machine.device import device_name, resolve_device


def without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def with_cuda(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


def test_auto_is_cuda_where_there_is_one_and_else_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    without_cuda(monkeypatch)
    assert resolve_device("auto") == torch.device("cpu")
    with_cuda(monkeypatch, 2)
    assert resolve_device("auto") == torch.device("cuda", 0)


@pytest.mark.parametrize("wanted", ["cuda", "cuda:0", "cuda:3", "cuda:200"])
def test_cuda_without_a_cuda_device_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    without_cuda(monkeypatch)
    with pytest.raises(DeviceError, match=f"'{wanted}' was asked for, but torch sees no CUDA device.*--device cpu"):
        resolve_device(wanted)


@pytest.mark.parametrize("wanted", ["cuda:2", "cuda:200", "cuda:999"])
def test_a_cuda_device_beyond_the_last_is_an_error_that_says_which_there_are(
    monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    with_cuda(monkeypatch, 2)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(DeviceError, match="cuda:0 to cuda:1"):
        resolve_device(wanted)


@pytest.mark.parametrize("wanted", ["gpu", "meta", "mps", "cuda:x", "cuda:-1", "cpu:3", "", "CUDA"])
def test_anything_else_is_an_error_that_says_what_there_is(wanted: str) -> None:
    with pytest.raises(DeviceError, match=r"auto.*cpu.*cuda"):
        resolve_device(wanted)


def test_the_cpu_has_a_name_for_people() -> None:
    assert device_name(torch.device("cpu")).endswith(" cores")
