"""BatchBALD and BatchEPIG-BALD by accelerated greedy search, which looks only at points that can be the best.

The gain of a point is its mutual information with the weights given the batch so far. Three upper bounds of it, each
cheaper than the gain, rule most points out:

- what was known of it in an earlier step, since I[Y; Ω | Y_1..Y_b] never grows with b where it is exact (Minoux 1978,
  "Accelerated greedy algorithms"; at first that is its BALD). Where gains are estimated from drawn configurations, the
  estimate of that step and of this one each get a slack of `_STANDARD_ERRORS` standard errors. The squared error of a
  small gain is in proportion to it (a mean of M terms between 0 and log C); the proportion is measured at a few points;
- its gain given configurations that are told apart less (`Configurations.coarser`), in two stages. That is a bound for
  the same draws, so it needs no slack.

BatchEPIG-BALD takes the difference of two such gains, one under the model and one under the evaluation posterior. The
difference is not submodular, so an earlier difference bounds nothing. An upper bound of the first gain minus a lower
bound of the second is an upper bound of the difference:

- the second gain is at least 0, so every bound of the first gain bounds the difference too;
- merged configurations bound the second gain from below (`MergedConfigurations`), again for the same draws. That bound
  is about as tight as `Configurations.coarser` is from above, at the price of a few hundred rows.

The points of largest difference in the step before come first: they give a difference that others are compared with.
Then every point that its bounds of the first gain do not rule out gets a bound of the difference, and differences are
computed by falling bound until the largest one found is above all bounds that remain.

All is in float64, so that gains are told apart however small they get in a large batch. Once no point can gain more
than `_TIE` the weights are known, as far as K samples go, and the points left are taken by position.
"""

import torch
from torch import Tensor

from softal_bench.bayes.information import bald
from softal_bench.bayes.joint_entropy import Configurations, MergedConfigurations, Points, merging_bytes
from softal_bench.bayes.shortlist import Shortlist, shortlist_bytes
from softal_bench.contracts import Pool
from softal_bench.contracts.pool import errors_at

_STANDARD_ERRORS = 2.0  # slack of each of the two estimates that are compared
_TIE = 1e-12  # nats; gains closer than this are equal, and the lower position is taken,
_RELATIVE_TIE = 1e-3  # but small gains only if closer than this part of them,
_ROUNDING = 1e-14  # or than this
_PARTS = (1, 8)  # how far configurations are told apart in the two stages of bounds
_FIRST = 16  # points whose gain is computed at once, to have a gain that others are compared with
_GAINS_AT_ONCE = 32  # points whose gain is computed before bounds are compared again
_DIFFERENCES_AT_ONCE = 8  # the same of BatchEPIG-BALD, whose bounds are sharper and whose points are in order
_TABLES = 6  # of the joint distribution of configurations and samples, held at a time; as measured, 4 to 8


def batch_bald(
    pool: Pool, batch_size: int, max_configurations: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Greedy search for the batch of largest I[Y_1..Y_B; Ω] = H[Y_1..Y_B] - sum_i E_w H[Y_i | w].

    Each step takes the point of largest gain I[Y; Ω | Y_1..Y_b]; ties go to the lower position. The total is at least
    (1 - 1/e) of the best batch's, since I[.; Ω] is submodular. While joint entropies are exact the batch is that of
    full greedy search; where they are sampled it is that of full greedy search on the same draws, unless an estimate
    is off by more than its slack.

    Costs one pass over the pool, O(N K C), then O(M K C) time for each point whose gain is computed and at most
    O(8 K² C) for each whose bounds are: O(B N M K C) at worst, in practice a small part of it. Memory: the log-probs of
    candidates within the budget of `Shortlist`, a few tables of M x K float64, and O(N).

    Args:
        pool: the candidates; log-probs in any floating dtype.
        batch_size: B <= N.
        max_configurations: M, the most label configurations kept of the batch.
        generator: a CPU generator, used only once C^b > M.

    Returns:
        (positions_B, gains_B): the points in the order taken, LongTensor, and the gain of each, float64 nats.

    Raises:
        NumericalError: if a log-prob is NaN or BALD out of its bounds by more than rounding.

    Source: Kirsch et al. 2019, arXiv:1906.08158, algorithm 1 and section 3.
    """
    return _greedy(_Gains(pool), None, batch_size, max_configurations, generator)


def batch_epig_bald(
    pool: Pool, evaluation: Pool, batch_size: int, max_configurations: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Greedy search for the batch of largest I[Y_1..Y_B; Ω] - I'[Y_1..Y_B; Ω], I' under the evaluation posterior.

    Each step takes the point of largest I[Y; Ω | Y_1..Y_b] - I'[Y; Ω | Y_1..Y_b], which may be negative; ties go to the
    lower position. The two terms keep label configurations of their own, exact or drawn as in `batch_bald`. The
    objective is a difference of submodular functions and not submodular itself, so its greedy batch comes with no
    guarantee; the points taken are those of full greedy search, as in `batch_bald`.

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
        NumericalError: if a log-prob is NaN or BALD out of its bounds by more than rounding.
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
    """About how many bytes `batch_bald` holds at its peak on torch's default device, for float32 log-probs.

    The shortlist, O(N) bounds and places, and, while the configurations are extended, `_TABLES` tables of D x K
    float64, where D = min(M, C^(B-1)) configurations are kept.
    """
    table = _table_bytes(num_samples, num_classes, batch_size, max_configurations)
    return _pool_bytes(pool_size, num_samples, num_classes) + _TABLES * table


def batch_epig_bald_bytes(
    pool_size: int, num_samples: int, num_classes: int, batch_size: int, max_configurations: int
) -> int:
    """The same of `batch_epig_bald`: two shortlists, and one term's table while the other's is extended.

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
        upper_N: upper bounds of the true gains, at first BALD.
        candidates: the log-probs of the most promising points, kept while the pool is read once.
        configurations: of the batch so far.
    """

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.candidates = Shortlist(pool)
        self.upper_N = _read_once(pool, self.candidates)
        self.configurations = Configurations.empty(pool.num_samples, pool.device)

    def at(self, positions: Tensor) -> Tensor:
        """The gains of the points at these positions."""
        return self.configurations.information(self.candidates.points(positions))

    def add(self, position: int, max_configurations: int, generator: torch.Generator) -> None:
        """The batch grows by this point."""
        chosen_K_C = self.pool.log_probs_at(torch.tensor([position], device=self.pool.device))[0]
        self.configurations = self.configurations.extended(chosen_K_C, max_configurations, generator)


def _read_once(pool: Pool, candidates: Shortlist) -> Tensor:
    """BALD of every point, the first upper bounds; the most promising points are shortlisted on the way."""
    upper_N = torch.empty(pool.size, dtype=torch.float64, device=pool.device)
    for positions_n, log_probs_n_K_C in pool.log_probs():
        with errors_at(positions_n):
            scores_n = bald(log_probs_n_K_C)
        upper_N[positions_n] = scores_n
        candidates.offer(positions_n, log_probs_n_K_C, scores_n)
    return upper_N


class _Step:
    """One step of the search. It lowers the upper bounds of the true gains as it learns more."""

    def __init__(self, gains: _Gains) -> None:
        self._candidates = gains.candidates
        self._upper_N = gains.upper_N
        self._configurations = gains.configurations
        self._stages = _coarser(gains.configurations)
        self._squared_error = 0.0  # of an estimated gain, in proportion to it
        self._largest = -torch.inf
        self._computed: list[tuple[Tensor, Tensor]] = []

    def best(self) -> tuple[int, float]:
        """The point of largest gain, and its gain."""
        if float(self._upper_N.max()) <= _TIE:
            return int((self._upper_N > -torch.inf).nonzero()[0, 0]), 0.0
        order = self._by_falling_bound()
        first, rest = order[:_FIRST], order[_FIRST:]
        self._compute_first(first)
        for positions in self._candidates.split(self._still_possible(rest)):
            possible = self._still_possible(positions)
            if len(possible) == 0:  # nor is it for any after these: they come by falling bound
                break
            self._look_at(possible)
        return self._best_computed()

    def _by_falling_bound(self) -> Tensor:
        """The points not taken yet."""
        order = self._upper_N.argsort(descending=True, stable=True)
        return order[self._upper_N[order] > -torch.inf]

    def _compute_first(self, positions: Tensor) -> None:
        """Compute the gains of the points, and how large the errors of estimated gains are."""
        points = self._candidates.points(positions)
        gains = self._compute(positions, points)
        squared_errors = self._configurations.standard_error(points).square()
        self._squared_error = float((squared_errors / gains.clamp_min(_TIE)).max())
        self._upper_N[positions] = self._with_slack(gains)

    def _look_at(self, positions: Tensor) -> None:
        """Compute the gains of those of the points that the bounds do not rule out."""
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
        """Upper bounds of the gains, as computed from all configurations."""
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
        """The least gain that is as good as the largest one found."""
        return self._largest - max(_ROUNDING, min(_TIE, _RELATIVE_TIE * self._largest))

    def _with_slack(self, gains: Tensor) -> Tensor:
        return gains + _STANDARD_ERRORS * (self._squared_error * gains.clamp_min(0)).sqrt()


class _DifferenceStep(_Step):
    """One step of the search for the largest difference of two gains.

    First every point that the bounds of the first gain do not rule out gets an upper bound of the difference; then the
    differences are computed by falling bound.

    Args:
        gains: the first gains.
        deducted: what is subtracted from them.
        difference_N: about what the differences are; what this step learns of them is written to it.
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
        """The point of largest difference, and its difference."""
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
        """Note upper bounds of the differences of those of the points that can still have the largest."""
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
    """The configurations told apart less, coarsest first, as far as that saves half the work each time."""
    stages: list[Configurations] = []
    finer = configurations
    for parts in reversed(_PARTS):
        coarse = configurations.coarser(parts)
        if 2 * len(coarse.weights_D) <= len(finer.weights_D):
            stages.insert(0, coarse)
            finer = coarse
    return stages
