"""MC dropout with consistent masks: K dropout masks drawn once and shared by all inputs are K posterior samples.

Three evaluations of the same masks, which agree to rounding; `FittedMCDropout.posterior` takes the first that covers
the network, so a model of another package has them by ending in log-probs and placing `MCDropout` layers:

- combined: for an `nn.Sequential` of any trunk without dropout, then at most one convolution, then linear layers, with
  max-pooling, ReLU, flatten and MCDropout between them. A mask is a factor >= 0 for a whole channel, so it commutes
  with max-pooling and ReLU, and the trunk runs once for all K masks. The next layer is linear in the mask, so what each
  of its input channels contributes is computed once and combined for all masks by matrix products. Later layers use
  only the rows and columns that each mask keeps.
- thinned: the same with more convolutions, or with pooling windows that overlap. For each mask the layers after the
  trunk are evaluated without the rows and columns that it drops, at p = 0.5 a quarter of the plain arithmetic.
- plain: for any module with `MCDropout` layers, run once for each mask; of an `nn.Sequential` only from the first
  module with dropout on.

A network without `MCDropout` layers has one sample only, which stands for all K; it runs once.

Source: Gal and Ghahramani 2016, "Dropout as a Bayesian Approximation"; consistent masks: Kirsch et al. 2019,
"BatchBALD".
"""

from softal_bench.bayes.mc_dropout.combined import CombinedPosterior, can_be_combined
from softal_bench.bayes.mc_dropout.deterministic import DeterministicPosterior
from softal_bench.bayes.mc_dropout.fitted import FittedMCDropout, posterior_of
from softal_bench.bayes.mc_dropout.masks import Masks, MCDropout, draw_masks, masked_batches
from softal_bench.bayes.mc_dropout.plain import PlainPosterior, log_probs_plain
from softal_bench.bayes.mc_dropout.structure import Structure, structure_of
from softal_bench.bayes.mc_dropout.thinned import ThinnedPosterior
from softal_bench.bayes.mc_dropout.work import flops_per_input

__all__ = [
    "CombinedPosterior",
    "DeterministicPosterior",
    "FittedMCDropout",
    "MCDropout",
    "Masks",
    "PlainPosterior",
    "Structure",
    "ThinnedPosterior",
    "can_be_combined",
    "draw_masks",
    "flops_per_input",
    "log_probs_plain",
    "masked_batches",
    "posterior_of",
    "structure_of",
]
