"""What stands below the tables of a page: how each number was made."""

from softal_bench.report.stats.numbers import ABSENT

LABELS = f"""\
25 % / 50 % / 75 % quantiles over the done trials, and their number in parentheses. A trial's value is the
first training-set size whose test accuracy is at least the target, not smoothed. Sizes are B apart; between
trials, quantiles are interpolated linearly. ∞: the trial never reached the target. An interpolation towards
∞ is ∞, so a quantile is finite only where the trials on both sides of it reached the target.
{ABSENT}: no such condition here."""

INTERVALS = """\
Mean over the done trials [95 % bootstrap interval of the mean] (number of trials): percentile method, 10 000
resamples of the trials, fixed seed. The interval tells how far the mean may move with other seeds. With three trials
it is the range from the worst to the best and holds the mean in about three of four cases; with more it comes closer
to 95 %; with one there is none. Methods share their random choices within a trial, so the intervals of two methods
do not tell how sure their difference is. The area is by the trapezoidal rule, divided by the range of labels."""

RANKING = """\
In the order of the mean area under the accuracy curve, over the values of B and the trials that all these methods have
done. Ranks, 1 the largest area and ties sharing the mean of their ranks, are taken among methods with the same B and
trial, which share start set, initial weights and masks; then averaged. The last column is the mean over trials of the
difference in area from the first method, in percentage points, and the 95 % bootstrap interval of that mean (percentile
method, 10 000 resamples of the trials, fixed seed). It is paired, so it says of the difference what the intervals above
do not: where it holds 0 the order of the two is open. Of few trials it is too narrow. The first was chosen by the same
trials, so it looks better than it is; intervals are not adjusted for the number of methods."""

COST = """\
Seconds are median [quartiles] over the rounds of the n done trials. Training, prediction, distillation, selection and
evaluation are timed apart, with the accelerator synchronised on both edges. Prediction is the time in which the pool
computed posterior log-probs. Distillation is the time in which the evaluation model was fitted to the model's own
predictions; it has a column only where an acquisition function needs that model. Selection is the wall time of the
acquisition function less prediction and distillation. These three are taken over the rounds that acquired a batch. A
batch's validity is checked outside the timer. Peak memory is the largest of a trial's rounds, then the median over
trials, in MiB (2^20 bytes): of the device on CUDA; on a CPU of the whole process, with interpreter, torch and data."""

CHOOSING = """\
How many labels a method needs, against what it costs to choose them: lower left is better, and of two methods
neither is better if one needs fewer labels and the other fewer seconds. There is one target for all B: the one that
most pairs of a method and a B reach in the median, of several the highest. Labels are 25 % / 50 % / 75 % quantiles
over the n done trials; seconds are median [quartiles] of the time spent choosing these labels: prediction on the
pool, selection, and whatever else is done to choose (all phases but training and evaluation), summed over the rounds
before the target is reached. In the figure a large marker is the median of all these seconds, and a small hollow one
that of selection alone; where trials ran on several devices, large markers are filled whole for the first and in
part for the others. A trial that never reaches the target counts as ∞ labels and ∞ seconds; where that makes the
median ∞, the method is named below the figure."""

PUBLISHED = f"""\
25 % / 50 % / 75 % quantiles over trials; ∞: not reached. No run is dropped: a trial that ends below the accuracy counts
as ∞. "inside" says that the published median lies in the 95 % bootstrap interval of our median (percentile method,
10 000 resamples of the trials, fixed seed), "outside" that it does not. Read it with the number of trials: of three the
interval goes from the least to the largest trial and holds the true median in three of four cases only, so one
"outside" in four is expected even where nothing differs, and "inside" of a wide interval says little. The published
median is itself of few trials. not run: no trial of ours is done, and nothing is guessed. {ABSENT}: not known."""

COURSE = """\
Means over the rounds of the done trials: the epochs that a training ran, and the epoch whose weights were kept. The
score of an acquired batch is the mean of the scores that its points had when they were chosen. Each acquisition
function has a scale of its own, so compare a score along its line, and with the same function elsewhere."""

AGAINST = """\
Above: median labels to the accuracy, with the 25 % and 75 % quantiles as a bar; a median that is ∞ has no mark. Below:
mean area under the accuracy curve with its 95 % bootstrap interval. Functions without the parameter are horizontal
lines."""

WARNINGS = """\
Rounds are counted from 0. Where all scores of an acquired batch are equal, the acquisition function did not tell these
points apart, and the batch says little about it: BALD under a deterministic model gives every point a score of 0."""
