"""The structure that the fast evaluations need: a trunk without dropout, then layers that a mask can be moved into."""

from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from softal_bench.bayes.mc_dropout.masks import MCDropout, dropout_layers

Weighted = nn.Conv2d | nn.Linear
WEIGHTED = (nn.Conv2d, nn.Linear)
_COMMUTING = (nn.MaxPool2d, nn.ReLU, nn.Flatten)  # with a factor >= 0 for a whole channel


@dataclass(frozen=True)
class Run:
    """A weighted layer with what follows it up to the next one.

    Attributes:
        layer: a convolution or linear layer.
        after: max-pooling, ReLU and flatten layers, in their order.
        masked: whether an MCDropout layer follows, anywhere among them: it commutes with all.
    """

    layer: Weighted
    after: tuple[nn.Module, ...]
    masked: bool

    @property
    def relu(self) -> bool:
        return any(isinstance(module, nn.ReLU) for module in self.after)

    @property
    def pools(self) -> list[nn.MaxPool2d]:
        return [module for module in self.after if isinstance(module, nn.MaxPool2d)]


@dataclass(frozen=True)
class Structure:
    """A network as log_softmax(runs(mask * trunk(inputs))).

    Attributes:
        trunk: everything before the first mask, which need not run more than once, with the layers after it that
            commute with the mask.
        runs: the others, the last of which gives the logits.
    """

    trunk: nn.Sequential
    runs: tuple[Run, ...]


def structure_of(network: nn.Module) -> Structure | None:
    """The structure of a network that the fast evaluations cover; None for any other.

    Covered is an `nn.Sequential` of: any modules without MCDropout; an MCDropout layer; then ungrouped zero-padded
    convolutions and linear layers, max-pooling, ReLU, flatten and MCDropout layers, at most one of the last after each
    weighted layer and of as many features as it has outputs; at the end a linear layer and log-softmax over classes.
    """
    if not isinstance(network, nn.Sequential) or not network:
        return None
    *body, softmax = network
    is_dropout = [isinstance(module, MCDropout) for module in body]
    if type(softmax) is not nn.LogSoftmax or softmax.dim not in (1, -1) or not any(is_dropout):
        return None
    first = is_dropout.index(True)
    before, dropout, after = body[:first], body[first], body[first + 1 :]
    if sum(is_dropout) != len(dropout_layers(network)):  # one inside another module, or used twice
        return None
    starts = [i for i, module in enumerate(after) if type(module) in WEIGHTED]
    if not starts or not all(type(module) in (*WEIGHTED, *_COMMUTING, MCDropout) for module in after):
        return None
    between = after[: starts[0]]
    pieces = [after[start:end] for start, end in pairwise([*starts, len(after)])]
    assert isinstance(dropout, MCDropout)
    if not (_passes_on(dropout, between, pieces[0][0]) and _can_be_thinned(pieces)):
        return None
    return Structure(nn.Sequential(*before, *between), tuple(_run(piece) for piece in pieces))


def _run(piece: list[nn.Module]) -> Run:
    layer, *after = piece
    assert isinstance(layer, WEIGHTED)
    kept = tuple(module for module in after if not isinstance(module, MCDropout))
    return Run(layer, kept, len(kept) < len(after))


def _passes_on(dropout: MCDropout, between: list[nn.Module], layer: nn.Module) -> bool:
    """Whether each channel of the dropout layer is a channel, or some features in a row, of the next weighted layer."""
    if any(isinstance(module, MCDropout) for module in between) or not _flatten_all_but_inputs(between):
        return False
    flattened = any(isinstance(module, nn.Flatten) for module in between)
    if isinstance(layer, nn.Conv2d):
        return not flattened and layer.in_channels == dropout.features
    assert isinstance(layer, nn.Linear)
    return layer.in_features % dropout.features == 0 if flattened else layer.in_features == dropout.features


def _can_be_thinned(pieces: list[list[nn.Module]]) -> bool:
    """Whether rows and columns of dropped channels can be left out of every weighted layer."""
    *others, (last, *after_last) = pieces
    followed = zip(others, pieces[1:], strict=True)
    return (
        isinstance(last, nn.Linear)
        and not after_last
        and all(_is_thin(layer, after, following[0]) for (layer, *after), following in followed)
    )


def _is_thin(layer: nn.Module, after: list[nn.Module], following: nn.Module) -> bool:
    """Whether outputs of a weighted layer can be left out, and how it is followed is understood."""
    assert isinstance(layer, WEIGHTED)
    dropouts = [module for module in after if isinstance(module, MCDropout)]
    if len(dropouts) > 1 or any(module.features != len(layer.weight) for module in dropouts):
        return False
    flattened = any(isinstance(module, nn.Flatten) for module in after)
    if isinstance(layer, nn.Linear):
        return not flattened and not any(isinstance(module, nn.MaxPool2d) for module in after)
    plain = layer.groups == 1 and layer.padding_mode == "zeros"
    return plain and flattened == isinstance(following, nn.Linear) and _flatten_all_but_inputs(after)


def _flatten_all_but_inputs(modules: list[nn.Module]) -> bool:
    return all((module.start_dim, module.end_dim) == (1, -1) for module in modules if isinstance(module, nn.Flatten))
