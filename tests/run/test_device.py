"""The requested device exists, or an error says that it does not."""

import pytest
import torch
from conftest import needs_cuda

from softal_bench.errors import DeviceError
from softal_bench.journal.lines import Attempt, as_json
from softal_bench.journal.origin import environment
from softal_bench.machine.device import computing, device_name, resolve_device


def without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


def with_cuda(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


def test_auto_is_cuda_if_available_and_otherwise_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_missing_cuda_device_is_an_error_that_lists_the_available_ones(
    monkeypatch: pytest.MonkeyPatch, wanted: str
) -> None:
    with_cuda(monkeypatch, 2)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(DeviceError, match="cuda:0 to cuda:1"):
        resolve_device(wanted)


@pytest.mark.parametrize("name", ["NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"])
def test_a_precision_override_is_rejected_on_cuda(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with_cuda(monkeypatch, 1)
    monkeypatch.setenv(name, "1")
    with pytest.raises(DeviceError, match=f"{name} is '1', which overrides the precision .*; unset it"):
        resolve_device("cuda")
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setenv(name, "0")
    assert resolve_device("cuda") == torch.device("cuda", 0)


def test_the_precision_is_fixed_during_a_job_and_then_restored() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark
    try:
        torch.set_float32_matmul_precision("medium")
        torch.backends.cudnn.benchmark = True
        with computing(1):
            assert torch.get_float32_matmul_precision() == "highest"
            assert not torch.backends.cuda.matmul.allow_tf32
            assert not torch.backends.cudnn.allow_tf32
            assert not torch.backends.cudnn.benchmark
        assert torch.get_float32_matmul_precision() == "medium"
        assert torch.backends.cudnn.benchmark
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.benchmark = before[1]


def test_the_environment_of_a_cpu_omits_facts_about_accelerators() -> None:
    line = as_json(Attempt.begun(environment(torch.device("cpu"), 1)))
    assert not {"cudnn", "driver", "float32_precision"} & set(line)


@pytest.mark.cuda
@needs_cuda
def test_the_environment_of_cuda_names_precision_and_versions() -> None:
    with computing(1):
        line = as_json(Attempt.begun(environment(torch.device("cuda:0"), 1)))
    assert line["float32_precision"] == "highest"
    assert "cudnn" in line


@pytest.mark.parametrize("wanted", ["gpu", "meta", "mps", "cuda:x", "cuda:-1", "cpu:3", "", "CUDA"])
def test_an_unknown_device_is_an_error_that_lists_choices(wanted: str) -> None:
    with pytest.raises(DeviceError, match=r"auto.*cpu.*cuda"):
        resolve_device(wanted)


def test_the_cpu_has_a_readable_name() -> None:
    assert device_name(torch.device("cpu")).endswith(" cores")
