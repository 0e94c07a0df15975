"""MC dropout with consistent masks: K dropout masks, drawn once and shared by all inputs, are K posterior samples.

The same masks can be evaluated in three ways, which agree to rounding. `FittedMCDropout.posterior` uses the first one
that covers the network. Models in other distributions can use them too if their network has `MCDropout` layers and ends
in log-probs.

- combined: for an `nn.Sequential` of a trunk without dropout, then at most one convolution, then linear layers, with
  max-pooling, ReLU, flatten and MCDropout layers between them. A mask is a factor >= 0 for a whole channel, so it
  commutes with max-pooling and ReLU, and the trunk runs once for all K masks. The next layer is linear in the mask, so
  the contribution of each input channel is computed once and combined for all masks by matrix products. Later layers
  use only the rows and columns that each mask keeps.
- thinned: for networks with more convolutions or with overlapping pooling windows. For each mask, the layers after the
  trunk are evaluated without the rows and columns that the mask drops. At p = 0.5 this is a quarter of the plain
  arithmetic.
- plain: for any module with `MCDropout` layers. The module runs once for each mask; an `nn.Sequential` runs once up to
  its first module with dropout, and the remaining modules run once for each mask.

The K samples of a network without `MCDropout` layers are all equal, so it runs once.

Source: Gal and Ghahramani 2016, "Dropout as a Bayesian Approximation"; consistent masks: Kirsch et al. 2019,
"BatchBALD".
"""

from softal_bench.bayes.mc_dropout.combined import CombinedPosterior, can_be_combined
from softal_bench.bayes.mc_dropout.fitted import DeterministicPosterior, FittedMCDropout, flops_per_input, posterior_of
from softal_bench.bayes.mc_dropout.masks import (
    Masks,
    MCDropout,
    PlainPosterior,
    draw_masks,
    log_probs_plain,
    masked_batches,
)
from softal_bench.bayes.mc_dropout.structure import Structure, ThinnedPosterior, structure_of

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
