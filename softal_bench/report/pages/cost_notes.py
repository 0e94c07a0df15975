"""What stands below the tables of a cost suite's page: how each number was made."""

from softal_bench.report.stats.growth import FEWEST, LARGEST
from softal_bench.report.stats.numbers import ABSENT

_SECONDS = """\
**Seconds.** A cell is one acquisition function, B, N, K and source. One cell is measured at a time, each in a fresh
process. The log-probs were computed before and lie in memory, so seconds are those of the choice alone. A selection
that is not counted comes first, to warm up; its seconds decide how many samples are taken: as many as the time budget
(`measurement.max_seconds`) has room for, at most `measurement.max_samples` and at least one. The number is fixed
before the first sample, so it does not depend on the spread that the quartiles show. Selections are timed with the
accelerator synchronised on both edges; very short ones are timed several in a row, and a sample is their mean. Tables
show the median and the 25 % and 75 % quantiles of these samples, interpolated linearly, and in parentheses the number
of samples; where the budget allows one sample only, the three are the same number. On Linux the C library is told to
keep freed memory in the measuring process, so that a sample does not time the page faults of the one before; in a
trial, where it is not, a selection from a small pool can take several times as long."""

_STANDING = f"""\
**Cells that are not done.** "timeout": the cell had not finished after so many seconds and was ended. The limit is
on the whole cell, the warm-up and one sample at least, so a selection took more than about half of it. "out of
memory": a selection asked for more than the memory limit, or than there is. "not tried": a smaller B of the same
method, N, K and source was over a limit on the same device. "not run": there is no journal. {ABSENT}: no such cell
in the suite, or nothing measured."""

_FIGURES = """\
**Figures.** Both axes are logarithmic: a straight line is a power law, its slope the exponent. Lines are medians,
bands quartiles. Open marks are cells over a limit: their height is the limit on the seconds of the whole cell,
joined by dots to the method's last cell that is done. A median of 0 has no place on a logarithmic axis. Methods that
come first in the suite are drawn wider, so that those that cost the same do not hide them."""

_RATIO = f"""\
**Ratio of seconds.** The ratio of the two medians. In brackets, from (25 % quantile of the first) / (75 % quantile of
the second) to (75 % quantile of the first) / (25 % quantile of the second): a range, not a confidence interval. There
are no brackets where one of the two has fewer samples than `measurement.min_samples`: the time budget had room for no
more, and quartiles of so few samples say little of their spread. Where one of the two cells is not done, it is said
how it stands. {ABSENT}: no such cell in the suite."""

_GROWTH = f"""\
**Exponents of growth.** The slope of log seconds against log B, or log N, fitted by least squares to the medians of
the largest {LARGEST} sizes that are done, or of all where there are fewer [95 % interval by Student's t], and the
number of cells fitted. 0 means that seconds do not depend on the size, 1 that they are proportional to it, 2 that
they grow with its square. Small sizes are left out since methods compute differently there: joint entropies are
exact for the first picks and sampled after, and constant costs weigh more. The switch from one to the other can make
an exponent higher or lower than that of either, so it says nothing of sizes beyond those measured. The interval
tells how well one power law fits, not how far repeated measurements scatter. {ABSENT}: fewer than {FEWEST} cells
done; columns without any exponent are left out."""

_PREDICTION = """\
**Prediction** is the computation of the log-probs of the same N points under the same K posterior samples by the model
that the source names: median [quartiles] of its own samples. In active learning it comes before every selection that
reads log-probs; a share of 1 % means that selection adds a hundredth to it."""

_MEMORY = """\
**Peak memory** is the growth of the peak during the first selection beyond what was resident before it, in MiB (2^20
bytes): of the device on CUDA, of the process on a CPU. The pool's log-probs were resident before, so they are not in
it."""

AGREEMENT = """\
The first selection of each cell is compared with that of the first method of its group, made from the same log-probs
with a generator seeded alike: how many points both batches have, and how many come first in the same order in both.
Methods with exact scores should choose the same points; where scores tie within rounding they need not. BatchBALD's
joint entropies are exact while C^i <= M label configurations; after that they are estimated from label configurations
drawn at random, by each implementation in its own way. Gains closer than the errors of the estimates then come in any
order, so batches may differ and be equally good. Rules that draw their batch at random are in no group, since single
draws need not agree; their distributions are compared in tests."""

ALL = [_SECONDS, _STANDING, _FIGURES, _RATIO, _GROWTH, _PREDICTION, _MEMORY]
