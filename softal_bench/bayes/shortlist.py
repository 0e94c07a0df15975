"""The log-probs of the most promising points, kept while a pool is read, so that few points have to be read again."""

import torch
from torch import Tensor

from softal_bench.bayes.joint_entropy import Points, classes_first
from softal_bench.contracts import Pool

# Bytes of log-probs kept. At K = 100 and C = 10 in float32, 2**29 bytes are 134 000 points.
_BUDGET_BYTES = {"cpu": 2**29, "cuda": 2**32}
_SPLIT_BYTES = {"cpu": 2**20, "cuda": 2**28}  # bytes of float64 values processed at a time


def shortlist_bytes(device_type: str) -> int:
    """Return how many bytes of log-probs are kept on a type of device; other accelerators use the value of CUDA."""
    return _BUDGET_BYTES.get(device_type, _BUDGET_BYTES["cuda"])


class Shortlist:
    """Keeps the log-probs of the points with the highest scores, as many as fit in the budget.

    Log-probs that are not kept are read from the pool again. Costs O(N) memory in addition to the budget.
    """

    def __init__(self, pool: Pool, budget_bytes: int | None = None) -> None:
        budget = shortlist_bytes(pool.device.type) if budget_bytes is None else budget_bytes
        self._pool = pool
        self._budget = budget
        self._kept_X_C_K: Tensor | None = None  # room for X points; unused memory is not touched
        self._positions_x = torch.empty(0, dtype=torch.int64, device=pool.device)  # of the x points kept so far
        self._scores_x = torch.empty(0, dtype=torch.float64, device=pool.device)
        self._place_N = torch.full((pool.size,), -1, device=pool.device)  # the row of each point; -1 if it is not kept

    def offer(self, positions_n: Tensor, log_probs_n_K_C: Tensor, scores_n: Tensor) -> None:
        """Keep these points. Once the budget is spent, they replace points with lower scores."""
        if self._kept_X_C_K is None:
            _, num_samples, num_classes = log_probs_n_K_C.shape
            point_bytes = num_samples * num_classes * log_probs_n_K_C.element_size()
            capacity = min(self._pool.size, self._budget // point_bytes)
            self._kept_X_C_K = log_probs_n_K_C.new_empty(capacity, num_classes, num_samples)
        leave, enter_n = self._exchange(scores_n)
        self._put(leave, positions_n[enter_n], log_probs_n_K_C[enter_n], scores_n[enter_n])

    def points(self, positions: Tensor) -> Points:
        """Return the points at these positions, in the same order."""
        places = self._place_N[positions]
        missing = places < 0
        if self._kept_X_C_K is None or bool(missing.all()):
            return Points.of(self._pool.log_probs_at(positions))
        log_probs_n_C_K = self._kept_X_C_K[places]
        if bool(missing.any()):
            log_probs_n_C_K[missing] = classes_first(self._pool.log_probs_at(positions[missing]))
        return Points.of_classes_first(log_probs_n_C_K)

    def split(self, positions: Tensor) -> tuple[Tensor, ...]:
        """Split positions into parts that are small enough to be processed at once."""
        point_bytes = 8 * self._pool.num_samples * self._pool.num_classes
        split_bytes = _SPLIT_BYTES.get(self._pool.device.type, _SPLIT_BYTES["cuda"])
        return torch.split(positions, max(1, split_bytes // point_bytes))

    def _exchange(self, scores_n: Tensor) -> tuple[Tensor, Tensor]:
        """Return the places of the points that leave, and the numbers of the n points that enter."""
        assert self._kept_X_C_K is not None
        capacity, held = len(self._kept_X_C_K), len(self._scores_x)
        stays = torch.ones(held + len(scores_n), dtype=torch.bool, device=scores_n.device)
        if len(stays) > capacity:
            stays[:] = False
            stays[torch.cat([self._scores_x, scores_n]).topk(capacity).indices] = True
        return (~stays[:held]).nonzero().flatten(), stays[held:].nonzero().flatten()

    def _put(self, leave: Tensor, positions_n: Tensor, log_probs_n_K_C: Tensor, scores_n: Tensor) -> None:
        """Put n points in the places of those that leave, and the remaining points after the last place."""
        assert self._kept_X_C_K is not None
        held, replaced = len(self._positions_x), len(leave)
        self._place_N[self._positions_x[leave]] = -1
        self._positions_x[leave], self._scores_x[leave] = positions_n[:replaced], scores_n[:replaced]
        self._positions_x = torch.cat([self._positions_x, positions_n[replaced:]])
        self._scores_x = torch.cat([self._scores_x, scores_n[replaced:]])
        after_last = torch.arange(held, len(self._positions_x), device=leave.device)
        places_n = torch.cat([leave, after_last])
        self._place_N[positions_n] = places_n
        self._kept_X_C_K[places_n] = classes_first(log_probs_n_K_C)
