"""The pretend CUDA device rejects what CUDA rejects, and computes what the CPU computes.

These tests run only on the pretend device, with `make test-pretend-cuda`. On a real device they would test CUDA.
"""

import copy
import os
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(
        "libpretend_cudart" not in os.environ.get("LD_PRELOAD", ""),
        reason="runs on the pretend device: make test-pretend-cuda",
    ),
]

DEVICE = torch.device("cuda", 0)


@pytest.fixture
def here() -> Tensor:
    return torch.randn(4, 5)


@pytest.fixture
def there(here: Tensor) -> Tensor:
    return here.to(DEVICE)


def test_a_tensor_is_copied_to_the_device_and_back(here: Tensor, there: Tensor) -> None:
    assert there.device == DEVICE
    assert torch.equal(there.cpu(), here)


COMPUTATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "a number is added": lambda x: x + 1,
    "indices are a CPU tensor": lambda x: x[torch.tensor([1, 2])],
    "a mask selects": lambda x: x[x > 0],
    "where, with two numbers": lambda x: torch.where(x > 0, 1.0, 0.0),
    "nonzero": lambda x: (x > 0).nonzero(),
    "sort": lambda x: x.sort(dim=1).values,
    "quantile": lambda x: x.quantile(0.5),
    "vmap": torch.func.vmap(lambda row: row.exp().sum()),
}


@pytest.mark.parametrize("compute", COMPUTATIONS.values(), ids=COMPUTATIONS)
def test_its_results_match_the_cpu(compute: Callable[[Tensor], Tensor], here: Tensor, there: Tensor) -> None:
    result = compute(there)
    assert result.device == DEVICE
    assert torch.allclose(result.cpu(), compute(here))


def test_a_zero_dimensional_cpu_tensor_is_accepted(here: Tensor, there: Tensor) -> None:
    assert torch.allclose((there + torch.tensor(2.0)).cpu(), here + 2)


def test_cholesky_agrees(here: Tensor, there: Tensor) -> None:
    gram = here @ here.T + torch.eye(4)
    found = torch.linalg.cholesky(there @ there.T + torch.eye(4, device=DEVICE))
    assert torch.allclose(found.cpu(), torch.linalg.cholesky(gram), atol=1e-5)


MIXTURES: dict[str, Callable[[Tensor, Tensor], object]] = {
    "sum": lambda here, there: there + here,
    "matrix product": lambda here, there: there @ here.T,
    "concatenation": lambda here, there: torch.cat([there, here]),
    "where": lambda here, there: torch.where(here > 0, there, there),
    "gather by CPU indices": lambda here, there: there.gather(0, torch.zeros(1, 1, dtype=torch.long)),
    "result put into a CPU tensor": lambda here, there: torch.add(there, 1, out=torch.empty(4, 5)),
    "loss against CPU labels": lambda here, there: functional.cross_entropy(there, torch.zeros(4, dtype=torch.long)),
}


@pytest.mark.parametrize("mix", MIXTURES.values(), ids=MIXTURES)
def test_tensors_of_two_devices_are_rejected(
    mix: Callable[[Tensor, Tensor], object], here: Tensor, there: Tensor
) -> None:
    with pytest.raises(RuntimeError, match="same device"):
        mix(here, there)


def test_a_cpu_tensor_rejects_indices_on_the_device(here: Tensor) -> None:
    with pytest.raises(RuntimeError, match="indices should be"):
        here[torch.tensor([1], device=DEVICE)]


def test_a_device_tensor_is_not_converted_to_numpy(there: Tensor) -> None:
    with pytest.raises(TypeError, match="can't convert cuda"):
        there.numpy()


def test_a_cuda_generator_advances_and_is_reproducible() -> None:
    generator = torch.Generator(device=DEVICE).manual_seed(3)
    first = torch.rand(5, device=DEVICE, generator=generator)
    assert not torch.equal(first, torch.rand(5, device=DEVICE, generator=generator))
    assert torch.equal(first, torch.rand(5, device=DEVICE, generator=generator.manual_seed(3)))
    assert sorted(torch.randperm(50, device=DEVICE, generator=generator).tolist()) == list(range(50))


def test_generators_draw_only_on_their_own_device() -> None:
    with pytest.raises(RuntimeError, match="enerator"):
        torch.rand(5, device=DEVICE, generator=torch.Generator())
    with pytest.raises(RuntimeError, match="enerator"):
        torch.rand(5, generator=torch.Generator(device=DEVICE))


def test_dropout_on_the_device_uses_no_cpu_generator(there: Tensor) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    functional.dropout(there, 0.5)
    assert torch.equal(torch.rand(3), expected)


def test_a_training_step_matches_the_cpu() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 2)
    )
    network.eval()
    twin = copy.deepcopy(network).to(DEVICE)
    inputs, labels = torch.randn(6, 1, 8, 8), torch.tensor([0, 1, 0, 1, 1, 0])
    functional.cross_entropy(network(inputs), labels).backward()  # type: ignore[no-untyped-call]
    functional.cross_entropy(twin(inputs.to(DEVICE)), labels.to(DEVICE)).backward()  # type: ignore[no-untyped-call]
    pairs = list(zip(network.parameters(), twin.parameters(), strict=True))
    for ours, theirs in pairs:
        assert ours.grad is not None
        assert theirs.grad is not None
        assert torch.allclose(ours.grad, theirs.grad.cpu(), atol=1e-6)
    for of in (network, twin):
        torch.optim.Adam(of.parameters()).step()
    assert all(torch.allclose(ours, theirs.cpu(), atol=1e-6) for ours, theirs in pairs)


def test_peak_memory_includes_allocations() -> None:
    torch.cuda.reset_peak_memory_stats(DEVICE)
    tensor = torch.empty(2**20, device=DEVICE)
    assert torch.cuda.max_memory_allocated(DEVICE) >= tensor.numel() * 4


def test_reading_a_number_synchronises_once(there: Tensor) -> None:
    from pretend_device import counting

    with counting(sites=True) as counts:
        there.sum().item()
    assert (counts.syncs, counts.real_kernels) == (1, 0)
    ((what, where),) = counts.sync_sites
    assert "test_semantics.py" in where, what


def test_a_forked_process_cannot_use_the_device() -> None:
    torch.zeros(1, device=DEVICE)
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        try:
            torch.zeros(1, device=DEVICE)
            message = "no error"
        except RuntimeError as error:
            message = str(error)
        os.write(writing, message.encode()[:100])
        os._exit(0)
    os.waitpid(child, 0)
    assert b"Cannot re-initialize CUDA in forked subprocess" in os.read(reading, 200)
    os.close(reading)
    os.close(writing)


def test_an_index_out_of_range_breaks_the_device_until_cured(there: Tensor) -> None:
    from pretend_device import cure, is_broken

    try:
        there[torch.tensor([4], device=DEVICE)]  # the operator returns, as on a GPU
        assert is_broken()
        with pytest.raises(RuntimeError, match="device-side assert"):
            there.sum().item()
    finally:
        cure()
    assert there.sum().isfinite()
