"""Reference work like that of the hot paths, which uses only PyTorch, the file system and Python."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

Control = Callable[[], object]


def matrix_product(rows: int, inner: int, columns: int) -> Control:
    """Compute [rows x inner] @ [inner x columns], float32."""
    left, right = drawn(rows, inner), drawn(inner, columns)
    return lambda: left @ right


def joint_entropies(log_probs_N_K_C: Tensor, configurations: int, blocks: int) -> Control:
    """Compute -sum p log p of products with `configurations` columns, for blocks of 24 gathered points, float64."""
    points, samples, classes = log_probs_N_K_C.shape
    probs_N_C_K = log_probs_N_K_C.double().exp().transpose(1, 2).contiguous()
    right = drawn(samples, configurations).double().exp()
    order = torch.randperm(points, generator=seeded())
    joint = torch.empty(24 * classes, configurations, dtype=torch.float64)
    logarithms = torch.empty_like(joint)  # reused, because the cost of allocating it differs between processes

    def control() -> None:
        entropies_N = torch.zeros(points, dtype=torch.float64)
        for block in range(blocks):
            gathered = order.roll(-24 * block)[:24]
            torch.mm(probs_N_C_K[gathered].view(-1, samples), right, out=joint)
            torch.log(joint, out=logarithms)
            entropies_N[gathered] = -logarithms.mul_(joint).view(24, -1).sum(dim=-1)

    return control


def entropy_pass(log_probs_N_K_C: Tensor, chunk_size: int) -> Control:
    """Compute -sum p log p of the samples and of their mean, a chunk of points at a time, float64."""

    def control() -> None:
        for log_probs_n_K_C in torch.split(log_probs_N_K_C, chunk_size):
            doubled = log_probs_n_K_C.double()
            (doubled.exp() * doubled).sum(dim=-1)
            mean_n_C = doubled.exp().mean(dim=1)
            (mean_n_C.log() * mean_n_C).sum(dim=-1)

    return control


def draws_and_top(size: int, count: int) -> Control:
    """Compute logarithms of exponential draws and the largest `count` of them, float64."""
    generator = seeded()

    def control() -> None:
        noise = torch.empty(size, dtype=torch.float64).exponential_(generator=generator)
        noise.log().topk(count)

    return control


def draws_and_sort(size: int) -> Control:
    """Compute logarithms of exponential draws and sort them stably, float64."""
    generator = seeded()

    def control() -> None:
        noise = torch.empty(size, dtype=torch.float64).exponential_(generator=generator)
        noise.log().argsort(descending=True, stable=True)

    return control


def written_lines(path: Path, line: dict[str, Any], count: int) -> Control:
    """Write a file of `count` lines of JSON, each flushed to the disk."""

    def control() -> None:
        path.unlink(missing_ok=True)
        with path.open("ab") as file:
            for _ in range(count):
                file.write(json.dumps(line).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())

    return control


def python(*arguments: str) -> Control:
    """Run a Python process from start to end."""
    command = [sys.executable, *arguments]
    return lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True)


def drawn(*shape: int) -> Tensor:
    """Return standard normal numbers, the same at each call."""
    return torch.randn(shape, generator=seeded())


def seeded() -> torch.Generator:
    """Return a generator with seed 0."""
    return torch.Generator().manual_seed(0)


def log_probs(points: int, samples: int, classes: int) -> Tensor:
    """Return log_probs_N_K_C, float32, with varying confidence and disagreement."""
    logits_N_K_C = 2 * drawn(points, 1, classes) + drawn(points, samples, classes)
    return logits_N_K_C.log_softmax(dim=-1)
