"""The record that golden trials are compared by: every random choice in a trial, and its results.

The trial runs as in a suite. It is observed from outside, through the seeds that it requests, the masks that it draws,
and the arguments of the model and the acquisition function.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from softal_bench.bayes.mc_dropout import MCDropout
from softal_bench.bayes.training import Plateau
from softal_bench.contracts import AcquiredBatch, Examples, FittedModel, Pool
from softal_bench.journal.lines import Round
from softal_bench.machine.device import computing
from softal_bench.seeding import Seeds
from softal_bench.suite import Condition
from softal_bench.trial.data import load_splits
from softal_bench.trial.trial import Trial

from .margins import log_probs, margins
from .trials import TRIAL, Spec

Record = dict[str, Any]
_POINTS = 4  # points of the pool whose mean log-probs are recorded
_SHOWN = 64  # values of the first mask
_DRAWS = 4  # draws of masks, for each purpose


def setup_and_rounds(spec: Spec, data_root: Path, history: list[list[int]] | None = None) -> Iterator[Record]:
    """Yield the observations while a trial is set up, and then those of each of its rounds.

    Args:
        spec: the trial's condition.
        data_root: the folder in which `write_data` wrote.
        history: the batch of each round; each round then starts from the batches before it, and what it acquires itself
            is ignored. Without it the trial continues from what it acquires, and margins are recorded, too.
    """
    condition = Condition(**spec)
    observer = _Observer(condition, with_margins=history is None)
    with computing(condition.threads), observer.watching():
        splits = load_splits(condition, TRIAL, data_root)
        trial = Trial(condition, TRIAL, splits, torch.device("cpu"))
        data = {"size": len(splits.train), "test_size": len(splits.test), "last_input": _last_input(splits.train)}
        setup = {"data": data, "start": trial.start, "seeds": observer.take_seeds()}
    yield setup
    observer.index_of = _index_of_inputs(splits.train)
    acquired: list[list[int]] = []
    while not (acquired and not acquired[-1]):
        with computing(condition.threads), observer.watching():
            line = next(iter(trial.rounds(acquired)))
        yield observer.round_of(line)
        acquired.append(line.acquired if history is None else history[len(acquired)])


class _Observer:
    """Records what happens in a trial while it is `watching`."""

    def __init__(self, condition: Condition, with_margins: bool) -> None:
        self.index_of: dict[bytes, int] = {}
        self._condition = condition
        self._with_margins = with_margins
        self._seeds: dict[str, int] = {}
        self._purpose_of: dict[int, str] = {}
        self._is_training = False
        self._masks: dict[str, list[Tensor]] = {}
        self._validated: dict[int, list[float]] = {}  # the validation values of each training, one per epoch
        self._observed: Record = {}

    def take_seeds(self) -> dict[str, int]:
        """Return the seeds requested since the last call, by purpose."""
        seeds, self._seeds = dict(sorted(self._seeds.items())), {}
        return seeds

    def round_of(self, line: Round) -> Record:
        """Return the record of a round, from its journal line and the observations since the last round."""
        masks = {purpose: _digest(drawn) for purpose, drawn in sorted(self._masks.items())}
        from_line = {
            "accuracy": round(line.accuracy, 6),
            "nll": None if line.nll is None else round(line.nll, 6),
            "acquired": line.acquired,
        }
        record = {"seeds": self.take_seeds(), "masks": masks} | self._observed | from_line
        self._masks, self._observed = {}, {}
        return record

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Intercept the trial's calls of its seeds, masks, model and acquisition function, without changing them."""
        model, acquisition = type(self._condition.model.instance), type(self._condition.acquisition.instance)
        watched = [
            (Seeds, "seed", self._seed),
            (Plateau, "is_best", self._is_best),
            (MCDropout, "draw_masks", self._draw_masks),
            (MCDropout, "draw_kept", self._draw_kept),
            (model, "fit", self._fit),
            (acquisition, "select", self._select),
        ]
        with ExitStack() as stack:
            for owner, name, observe in watched:
                stack.enter_context(patch.object(owner, name, _method(observe, getattr(owner, name))))
            yield

    def _seed(self, original: Any, seeds: Seeds, purpose: str, *arguments: Any, **named: Any) -> int:
        seed: int = original(seeds, purpose, *arguments, **named)
        self._seeds[purpose if seeds.trial == TRIAL else f"{purpose}, the same in all trials"] = seed
        self._purpose_of[seed] = purpose
        return seed

    def _is_best(self, original: Any, plateau: Plateau, value: float) -> bool:
        self._validated.setdefault(id(plateau), []).append(value)
        better: bool = original(plateau, value)
        return better

    def _draw_masks(self, original: Any, layer: MCDropout, *arguments: Any, **named: Any) -> Tensor:
        masks_K_F: Tensor = original(layer, *arguments, **named)
        purpose = "validation" if self._is_training else self._purpose_of_drawing(*arguments, *named.values())
        self._masks.setdefault(purpose, []).append(masks_K_F)
        return masks_K_F

    def _draw_kept(self, original: Any, layer: MCDropout, *arguments: Any, **named: Any) -> Tensor:
        kept_n_F: Tensor = original(layer, *arguments, **named)
        purpose = "training" if self._is_training else self._purpose_of_drawing(*arguments, *named.values())
        self._masks.setdefault(purpose, []).append(kept_n_F)
        return kept_n_F

    def _purpose_of_drawing(self, *arguments: Any) -> str:
        generators = [value for value in arguments if isinstance(value, torch.Generator)]
        return self._purpose_of.get(generators[0].initial_seed(), "other")

    def _fit(
        self, original: Any, model: Any, labelled: Examples, validation: Examples, *rest: Any, **named: Any
    ) -> Any:
        self._is_training, self._validated = True, {}
        fitted: FittedModel = original(model, labelled, validation, *rest, **named)
        self._is_training = False
        self._observed |= {
            "labelled": self._indices(labelled),
            "validation": self._indices(validation),
            "best_epoch": fitted.best_epoch,
            "validation_gap": round(min(map(_gap, self._validated.values()), default=1.0), 6),
        }
        return fitted

    def _select(
        self, original: Any, acquisition: Any, pool: Pool, batch_size: int, generator: torch.Generator
    ) -> AcquiredBatch:
        before = generator.clone_state()
        batch: AcquiredBatch = original(acquisition, pool, batch_size, generator)
        log_probs_N_K_C = log_probs(pool)
        points = [(pool.size - 1) * point // (_POINTS - 1) for point in range(_POINTS)]
        self._observed |= {
            "pool_size": pool.size,
            "log_probs": log_probs_N_K_C[points].mean(axis=1).round(6).tolist(),
            "scores": _rounded(batch.scores),
        }
        if self._with_margins:
            found = margins(self._condition.acquisition, pool, before, batch.positions.tolist())
            self._observed["margins"] = None if found is None else [round(margin, 6) for margin in found]
        return batch

    def _indices(self, examples: Examples) -> list[int]:
        """Return the indices of these training examples."""
        return [self.index_of.get(one.numpy().tobytes(), -1) for one in examples.inputs]


def _gap(values: list[float]) -> float:
    """Return how much better the best epoch was than the second best; 1 if there was only one epoch."""
    best, *others = sorted(values, reverse=True)
    return best - others[0] if others else 1.0


def _method(observe: Any, original: Any) -> Any:
    """Return a method that calls `observe` with the original method and its arguments."""

    def method(*arguments: Any, **named: Any) -> Any:
        return observe(original, *arguments, **named)

    return method


def _index_of_inputs(train: Examples) -> dict[bytes, int]:
    return {train.inputs[index].numpy().tobytes(): index for index in reversed(range(len(train)))}


def _last_input(train: Examples) -> list[float]:
    """Return the middle values of the last training input, which show its scale and any noise."""
    values = train.inputs[-1].flatten()
    return _rounded(values[len(values) // 2 :][:8])


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 6) for value in values.double().tolist()]


def _digest(drawn: list[Tensor]) -> Record:
    """Describe the first masks drawn for a purpose: their number, a digest of their bytes, and the first values.

    Later masks are left out, since the number of epochs that draw masks may depend on rounding.
    """
    contents, drawn = hashlib.sha256(), drawn[:_DRAWS]
    for masks_K_F in drawn:
        contents.update(str(tuple(masks_K_F.shape)).encode() + masks_K_F.float().contiguous().numpy().tobytes())
    first = "".join("1" if value else "0" for value in drawn[0][0, :_SHOWN].tolist())
    return {"masks": sum(len(masks_K_F) for masks_K_F in drawn), "sha256": contents.hexdigest()[:16], "first": first}
