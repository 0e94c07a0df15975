"""BatchBALD and BatchEPIG-BALD by accelerated greedy search, which evaluates only points that can be the best.

The gain of a point is its mutual information with the weights given the batch so far. Three upper bounds, each cheaper
than the gain, rule out most points:

- the gain or bound from an earlier step, since I[Y; Ω | Y_1..Y_b] never grows with b if it is exact (Minoux 1978,
  "Accelerated greedy algorithms"); initially this is BALD. If gains are estimated from drawn configurations, both the
  earlier and the current estimate have a slack of `_STANDARD_ERRORS` standard errors. The squared error of a small gain
  is proportional to it (a mean of M terms between 0 and log C); the factor is measured at a few points;
- the gain given coarser configurations (`Configurations.coarser`), in two stages. These are bounds for the same draws,
  so they need no slack.

BatchEPIG-BALD uses the difference of two such gains, one under the model and one under the evaluation posterior. The
difference is not submodular, so an earlier difference is not a bound. An upper bound of the first gain minus a lower
bound of the second gain is an upper bound of the difference:

- the second gain is at least 0, so every upper bound of the first gain also bounds the difference;
- merged configurations bound the second gain from below (`MergedConfigurations`), again for the same draws. This bound
  is about as tight as the upper bound from `Configurations.coarser`, and costs a few hundred rows.

A step first computes the differences of the points that had the largest differences in the previous step, for
comparison. Then it bounds the difference of every point that the bounds of the first gain do not rule out, and computes
differences in order of decreasing bound until the largest one found exceeds all remaining bounds.

All computations use float64, to distinguish the very small gains in a large batch. Once no point can gain more than
`_TIE`, the weights are known as far as K samples allow, and the remaining points are taken by position.
"""

import torch
from torch import Tensor

from softal_bench.bayes.information import bald
from softal_bench.bayes.joint_entropy import Configurations, MergedConfigurations, Points, merging_bytes
from softal_bench.bayes.shortlist import Shortlist, shortlist_bytes
from softal_bench.contracts import Pool
from softal_bench.contracts.pool import errors_at

_STANDARD_ERRORS = 2.0  # the slack of each of the two estimates that are compared
_TIE = 1e-12  # nats; gains that differ by less are equal, and the lower position is taken,
_RELATIVE_TIE = 1e-3  # but small gains must differ by less than this fraction of the largest gain
_ROUNDING = 1e-14  # or by less than this
_PARTS = (1, 8)  # the resolution of the configurations in the two stages of bounds
_FIRST = 16  # points whose gains are computed first, for comparison with the other points
_GAINS_AT_ONCE = 32  # points whose gains are computed before bounds are compared again
_DIFFERENCES_AT_ONCE = 8  # the same for BatchEPIG-BALD, whose bounds are tighter and whose points are sorted
_TABLES = 6  # tables of the joint distribution of configurations and samples held at once; 4 to 8 were measured


def batch_bald(
    pool: Pool, batch_size: int, max_configurations: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Search greedily for the batch with the largest I[Y_1..Y_B; Ω] = H[Y_1..Y_B] - sum_i E_w H[Y_i | w].

    Each step takes the point with the largest gain I[Y; Ω | Y_1..Y_b]; ties go to the lower position. The total is at
    least (1 - 1/e) times the optimum, since I[.; Ω] is submodular. While joint entropies are exact, the batch
    equals that of full greedy search. If they are sampled, it equals that of full greedy search on the same draws,
    unless the error of an estimate exceeds its slack.

    Costs one pass over the pool, O(N K C), then O(M K C) time for each point whose gain is computed and at most
    O(8 K² C) for each point whose bounds are computed: O(B N M K C) in the worst case, in practice a small part of it.
    Memory: the log-probs of candidates within the budget of `Shortlist`, a few tables of M x K float64, and O(N).

    Args:
        pool: the candidates; log-probs in any floating dtype.
        batch_size: B <= N.
        max_configurations: M, the maximum number of label configurations of the batch that are kept.
        generator: a CPU generator, used only once C^b > M.

    Returns:
        (positions_B, gains_B): the points in the order taken, LongTensor, and the gain of each, float64 nats.

    Raises:
        NumericalError: if a log-prob is NaN or BALD is out of its bounds by more than rounding.

    Source: Kirsch et al. 2019, arXiv:1906.08158, algorithm 1 and section 3.
    """
    return _greedy(_Gains(pool), None, batch_size, max_configurations, generator)


def batch_epig_bald(
    pool: Pool, evaluation: Pool, batch_size: int, max_configurations: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Search greedily for the batch with the largest I[Y_1..Y_B; Ω] - I'[Y_1..Y_B; Ω].

    I' is the information under the evaluation posterior. Each step takes the point with the largest
    I[Y; Ω | Y_1..Y_b] - I'[Y; Ω | Y_1..Y_b], which may be negative; ties go to the lower position. Each term has its
    own label configurations, exact or drawn as in `batch_bald`. The objective is a difference of submodular functions
    and not submodular itself, so the greedy batch has no guarantee; it equals that of full greedy search, as in
    `batch_bald`.

    Costs one pass over each pool, O(N K C); in each step O(M K²) to merge configurations and O(K² C) for each point
    that the first gain does not rule out; then O(M K C) for each point whose difference is computed, in practice few.
    Memory: twice that of `batch_bald`.

    Args:
        pool: the candidates under the model.
        evaluation: the same points, in the same order, under the evaluation posterior.
        batch_size: B <= N.
        max_configurations: M, for each term.
        generator: a CPU generator, used only once C^b > M.

    Returns:
        (positions_B, gains_B): the points in the order taken, LongTensor, and the gain of each, float64 nats.

    Raises:
        NumericalError: if a log-prob is NaN or BALD is out of its bounds by more than rounding.
        ValueError: if the two pools differ in size.

    Source: Kirsch et al. 2021, arXiv:2106.12059, first version.
    """
    if evaluation.size != pool.size:
        raise ValueError(
            f"the evaluation pool has {evaluation.size} points, the pool {pool.size}; need the same points"
        )
    return _greedy(_Gains(pool), _Gains(evaluation), batch_size, max_configurations, generator)


def batch_bald_bytes(
    pool_size: int, num_samples: int, num_classes: int, batch_size: int, max_configurations: int
) -> int:
    """Estimate the bytes that `batch_bald` holds at its peak on torch's default device, for float32 log-probs.

    They are the shortlist, O(N) bounds and places, and, while the configurations are extended, `_TABLES` tables of
    D x K float64 for D = min(M, C^(B-1)) configurations.
    """
    table = _table_bytes(num_samples, num_classes, batch_size, max_configurations)
    return _pool_bytes(pool_size, num_samples, num_classes) + _TABLES * table


def batch_epig_bald_bytes(
    pool_size: int, num_samples: int, num_classes: int, batch_size: int, max_configurations: int
) -> int:
    """Estimate the same for `batch_epig_bald`: two shortlists, and one term's table while the other's is extended.

    Merging configurations holds fewer tables, but up to K eigenproblems of K x K.
    """
    table = _table_bytes(num_samples, num_classes, batch_size, max_configurations)
    return (
        2 * _pool_bytes(pool_size, num_samples, num_classes)
        + (1 + _TABLES) * table
        + merging_bytes(num_samples, table // (8 * num_samples))
    )


def _pool_bytes(pool_size: int, num_samples: int, num_classes: int) -> int:
    kept = shortlist_bytes(torch.get_default_device().type)
    return min(kept, 4 * pool_size * num_samples * num_classes) + 32 * pool_size


def _table_bytes(num_samples: int, num_classes: int, batch_size: int, max_configurations: int) -> int:
    configurations = max_configurations
    if num_classes ** min(batch_size - 1, 64) < max_configurations:
        configurations = num_classes ** (batch_size - 1)
    return 8 * configurations * num_samples


def _greedy(
    gains: "_Gains", deducted: "_Gains | None", batch_size: int, max_configurations: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    terms = [gains] if deducted is None else [gains, deducted]
    difference_N = None if deducted is None else gains.upper_N - deducted.upper_N  # exact at first
    positions: list[int] = []
    taken: list[float] = []
    for step in range(batch_size):
        if deducted is None or difference_N is None:
            position, gain = _Step(gains).best()
        else:
            position, gain = _DifferenceStep(gains, deducted, difference_N).best()
        gains.upper_N[position] = -torch.inf
        positions.append(position)
        taken.append(gain)
        if step + 1 < batch_size:
            for term in terms:
                term.add(position, max_configurations, generator)
    device = gains.pool.device
    return torch.tensor(positions, device=device), torch.tensor(taken, dtype=torch.float64, device=device)


class _Gains:
    """The gains of a pool's points given the batch so far.

    Attributes:
        upper_N: upper bounds of the true gains, initially BALD.
        candidates: the log-probs of the most promising points, kept while the pool is read once.
        configurations: the label configurations of the batch so far.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.candidates = Shortlist(pool)
        self.upper_N = _read_once(pool, self.candidates)
        self.configurations = Configurations.empty(pool.num_samples, pool.device)

    def at(self, positions: Tensor) -> Tensor:
        """Return the gains of the points at these positions."""
        return self.configurations.information(self.candidates.points(positions))

    def add(self, position: int, max_configurations: int, generator: torch.Generator) -> None:
        """Add this point to the batch."""
        chosen_K_C = self.pool.log_probs_at(torch.tensor([position], device=self.pool.device))[0]
        self.configurations = self.configurations.extended(chosen_K_C, max_configurations, generator)


def _read_once(pool: Pool, candidates: Shortlist) -> Tensor:
    """Return BALD of every point, the first upper bounds, and shortlist the most promising points."""
    upper_N = torch.empty(pool.size, dtype=torch.float64, device=pool.device)
    for positions_n, log_probs_n_K_C in pool.log_probs():
        with errors_at(positions_n):
            scores_n = bald(log_probs_n_K_C)
        upper_N[positions_n] = scores_n
        candidates.offer(positions_n, log_probs_n_K_C, scores_n)
    return upper_N


class _Step:
    """One step of the search. It lowers the upper bounds of the true gains as it computes bounds and gains."""

    def __init__(self, gains: _Gains) -> None:
        self._candidates = gains.candidates
        self._upper_N = gains.upper_N
        self._configurations = gains.configurations
        self._stages = _coarser(gains.configurations)
        self._squared_error = 0.0  # of an estimated gain, divided by the gain
        self._largest = -torch.inf
        self._computed: list[tuple[Tensor, Tensor]] = []

    def best(self) -> tuple[int, float]:
        """Return the point with the largest gain, and its gain."""
        if float(self._upper_N.max()) <= _TIE:
            return int((self._upper_N > -torch.inf).nonzero()[0, 0]), 0.0
        order = self._by_falling_bound()
        first, rest = order[:_FIRST], order[_FIRST:]
        self._compute_first(first)
        for positions in self._candidates.split(self._still_possible(rest)):
            possible = self._still_possible(positions)
            if len(possible) == 0:  # all later points have lower bounds
                break
            self._look_at(possible)
        return self._best_computed()

    def _by_falling_bound(self) -> Tensor:
        """Return the points that are not taken yet."""
        order = self._upper_N.argsort(descending=True, stable=True)
        return order[self._upper_N[order] > -torch.inf]

    def _compute_first(self, positions: Tensor) -> None:
        """Compute the gains of the points, and the error of estimated gains."""
        points = self._candidates.points(positions)
        gains = self._compute(positions, points)
        squared_errors = self._configurations.standard_error(points).square()
        self._squared_error = float((squared_errors / gains.clamp_min(_TIE)).max())
        self._upper_N[positions] = self._with_slack(gains)

    def _look_at(self, positions: Tensor) -> None:
        """Compute the gains of the points that the bounds do not rule out."""
        points = self._candidates.points(positions)
        bounds = self._with_slack(self._upper_N[positions])
        for stage in self._stages:
            bounds = self._bounds_from(stage, positions, points)
            possible = (bounds >= self._least()).nonzero().flatten()
            positions, points, bounds = positions[possible], points[possible], bounds[possible]
        for some in torch.split(bounds.argsort(descending=True), _GAINS_AT_ONCE):
            possible = some[bounds[some] >= self._least()]
            if len(possible):
                self._compute(positions[possible], points[possible])

    def _bounds_from(self, stage: Configurations, positions: Tensor, points: Points) -> Tensor:
        """Return upper bounds of the gains that all configurations would give."""
        bounds = stage.information(points)
        self._upper_N[positions] = torch.minimum(self._upper_N[positions], self._with_slack(bounds))
        return bounds

    def _compute(self, positions: Tensor, points: Points) -> Tensor:
        gains = self._configurations.information(points)
        self._upper_N[positions] = torch.minimum(self._upper_N[positions], self._with_slack(gains))
        self._found(positions, gains)
        return gains

    def _found(self, positions: Tensor, gains: Tensor) -> None:
        self._computed.append((positions, gains))
        self._largest = max(self._largest, float(gains.max()))

    def _best_computed(self) -> tuple[int, float]:
        positions, gains = (torch.cat(parts) for parts in zip(*self._computed, strict=True))
        tied = gains >= self._least()
        first_tied = positions[tied].argmin()
        return int(positions[tied][first_tied]), float(gains[tied][first_tied])

    def _still_possible(self, positions: Tensor) -> Tensor:
        return positions[self._with_slack(self._upper_N[positions]) >= self._least()]

    def _least(self) -> float:
        """Return the smallest gain that ties with the largest one found."""
        return self._largest - max(_ROUNDING, min(_TIE, _RELATIVE_TIE * self._largest))

    def _with_slack(self, gains: Tensor) -> Tensor:
        return gains + _STANDARD_ERRORS * (self._squared_error * gains.clamp_min(0)).sqrt()


class _DifferenceStep(_Step):
    """One step of the search for the largest difference of two gains.

    It computes an upper bound of the difference for every point that the bounds of the first gain do not rule out, and
    then the differences in order of decreasing bound.

    Args:
        gains: the first gains.
        deducted: the gains that are subtracted from them.
        difference_N: estimates of the differences; the step overwrites them with the values that it computes.
    """

    def __init__(self, gains: _Gains, deducted: _Gains, difference_N: Tensor) -> None:
        super().__init__(gains)
        self._deducted = deducted
        self._lower: Configurations | MergedConfigurations = deducted.configurations
        if MergedConfigurations.worth_it(deducted.configurations):
            self._lower = MergedConfigurations.of(deducted.configurations)
        self._difference_N = difference_N
        self._bounded: list[tuple[Tensor, Tensor]] = []

    def best(self) -> tuple[int, float]:
        """Return the point with the largest difference, and its difference."""
        order = self._by_falling_bound()
        promising = self._difference_N[order].argsort(descending=True, stable=True)[:_FIRST]
        self._compute_first(order[promising])
        is_first = torch.zeros(len(order), dtype=torch.bool, device=order.device)
        is_first[promising] = True
        for positions in self._candidates.split(self._still_possible(order[~is_first])):
            self._bound(positions)
        if self._bounded:
            positions, bounds = (torch.cat(parts) for parts in zip(*self._bounded, strict=True))
            for some in torch.split(bounds.argsort(descending=True, stable=True), _DIFFERENCES_AT_ONCE):
                possible = positions[some[bounds[some] >= self._least()]]
                if len(possible) == 0:
                    break
                self._compute(possible, self._candidates.points(possible))
        return self._best_computed()

    def _bound(self, positions: Tensor) -> None:
        """Store upper bounds of the differences, for the points that can still have the largest difference."""
        points = self._candidates.points(positions)
        bounds = self._upper_N[positions]
        lower: Tensor | None = None
        for stage in self._stages or [self._configurations]:
            bounds = self._bounds_from(stage, positions, points)
            if lower is None:
                possible = (bounds >= self._least()).nonzero().flatten()
                positions, points, bounds = positions[possible], points[possible], bounds[possible]
                lower = self._lower.information(self._deducted.candidates.points(positions))
            bounds = bounds - lower
            self._difference_N[positions] = bounds
            possible = (bounds >= self._least()).nonzero().flatten()
            positions, points, bounds, lower = positions[possible], points[possible], bounds[possible], lower[possible]
        self._bounded.append((positions, bounds))

    def _compute(self, positions: Tensor, points: Points) -> Tensor:
        gains = self._configurations.information(points)
        self._upper_N[positions] = torch.minimum(self._upper_N[positions], self._with_slack(gains))
        differences = gains - self._deducted.at(positions)
        self._difference_N[positions] = differences
        self._found(positions, differences)
        return gains


def _coarser(configurations: Configurations) -> list[Configurations]:
    """Return coarser configurations, coarsest first; each stage has at most half the rows of the next."""
    stages: list[Configurations] = []
    finer = configurations
    for parts in reversed(_PARTS):
        coarse = configurations.coarser(parts)
        if 2 * len(coarse.weights_D) <= len(finer.weights_D):
            stages.insert(0, coarse)
            finer = coarse
    return stages
