"""The combined evaluation: all K masks from one pass over the inputs."""

import torch
from torch import Tensor, nn

from softal_bench.bayes.mc_dropout.combination import Combination
from softal_bench.bayes.mc_dropout.linear_layers import LinearLayers
from softal_bench.bayes.mc_dropout.masks import Masks
from softal_bench.bayes.mc_dropout.memory import Budget, Workspace, budget_of, even_parts
from softal_bench.bayes.mc_dropout.structure import Structure
from softal_bench.bayes.mc_dropout.windows import Windows, tiling_pool
from softal_bench.contracts import Posterior


def can_be_combined(structure: Structure) -> bool:
    """Whether one layer at most is between the first mask and linear layers, and pooling after it tiles its outputs."""
    first, *others = structure.runs
    padded_by_name = isinstance(first.layer, nn.Conv2d) and isinstance(first.layer.padding, str)
    all_linear = all(isinstance(run.layer, nn.Linear) for run in others)
    return all_linear and tiling_pool(first) is not None and not padded_by_name


class CombinedPosterior(Posterior):
    """K masks of a network whose structure allows it, all at once.

    The trunk runs once. A convolution, or a linear layer over flattened channels, that comes next is a combination of
    what each channel contributes (`Combination`); after that, and where the trunk gives features, the linear layers are
    evaluated for several masks at a time without what they drop (`LinearLayers`).

    Memory: `Budget.table_bytes` and the log-probs, however many inputs come.
    """

    @torch.no_grad()
    def __init__(self, structure: Structure, masks: Masks) -> None:
        first, *others = structure.runs
        self._trunk = structure.trunk.eval()
        self._budget: Budget = budget_of(first.layer.weight.device)
        drawn = iter([masks_K_F.to(first.layer.weight.dtype) for masks_K_F in masks])
        shared = next(drawn)
        self._num_samples = len(shared)
        self._classes = len(structure.runs[-1].layer.weight)
        after = [
            next(drawn) if run.masked else shared.new_ones(len(shared), len(run.layer.weight)) for run in structure.runs
        ]
        self._first = first
        self._channels = shared.shape[1]
        self._combination: Combination | None = None
        if isinstance(first.layer, nn.Linear) and first.layer.in_features == self._channels:
            row_K_F = torch.arange(self._channels, device=shared.device).expand_as(shared)
            self._linear = LinearLayers(structure.runs, row_K_F, [shared, *after], self._budget.batch)
        else:
            self._combination = Combination(first, shared, after[0], self._budget.batch)
            self._linear = LinearLayers(others, self._combination.row_K_O, after, self._budget.batch)

    @property
    def num_samples(self) -> int:
        return self._num_samples

    @torch.no_grad()
    def log_probs(self, inputs: Tensor) -> Tensor:
        weight = self._first.layer.weight
        log_probs_n_K_C = weight.new_empty(len(inputs), self._num_samples, self._classes)
        workspace, done = Workspace(weight), 0
        for inputs_n in even_parts(inputs, self._budget.inputs):
            shared = self._trunk(inputs_n)
            for shared_n in even_parts(shared, self._inputs_at_once(shared)):
                log_probs_K_C_n = self._logits(shared_n, workspace).log_softmax(dim=1)
                log_probs_n_K_C[done : done + len(shared_n)] = log_probs_K_C_n.permute(2, 0, 1)
                done += len(shared_n)
        return log_probs_n_K_C

    def _logits(self, shared: Tensor, workspace: Workspace) -> Tensor:
        if self._combination is None:
            table_F_n = shared.T.contiguous()
        else:
            table_F_n = self._combination.outputs(shared, self._windows(shared), workspace)
        return self._linear.logits(table_F_n, len(shared), self._classes, workspace)

    def _windows(self, shared: Tensor) -> Windows:
        if isinstance(self._first.layer, nn.Linear):
            return Windows.of_linear(self._channels, self._first.layer.in_features)
        pool = tiling_pool(self._first)
        assert pool is not None
        return Windows.of_convolution(self._first.layer, pool, (shared.shape[2], shared.shape[3]))

    def _inputs_at_once(self, shared: Tensor) -> int:
        if self._combination is None:
            values = shared.shape[1] + self._linear.values_per_input(1)
        else:
            windows = self._windows(shared)
            values = self._combination.values_per_input(windows) + self._linear.values_per_input(windows.positions)
        fitting = self._budget.table_bytes // (values * shared.element_size())
        return max(1, fitting // 16 * 16 or fitting)  # whole vector registers
