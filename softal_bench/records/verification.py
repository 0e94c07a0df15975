"""Whether rounds of journals come out again: which are run, and how they are compared."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from softal_bench.journal.file import Line, complete_lines
from softal_bench.records.submitted import Submitted

TOLERANCE = 0.02  # of the accuracy, where another machine rounds otherwise


@dataclass(frozen=True)
class Comparison:
    """A round as journalled beside the same round run here.

    Attributes:
        same: whether it counts as the same.
        told: how the two compare, in words.
    """

    same: bool
    told: str


def sample(submitted: Sequence[Submitted], count: int) -> list[tuple[Submitted, int]]:
    """Return at most `count` rounds, drawn at random with a hash of all the journals as the seed.

    So nobody can choose which of a folder's rounds are run again, and anybody draws the same ones. In the order of the
    journals, so that rounds that share their data follow one another.
    """
    rounds = [(place, number) for place, one in enumerate(submitted) for number in range(len(one.rounds))]
    digests = sorted(hashlib.sha256(complete_lines(one.record.path)).hexdigest() for one in submitted)
    drawn = random.Random("".join(digests)).sample(rounds, min(count, len(rounds)))
    return [(submitted[place], number) for place, number in sorted(drawn)]


def compare(of: Submitted, number: int, line: Line, differences: Sequence[str]) -> Comparison:
    """Compare a round with its line as run here.

    On the same kind of machine both have to be exact. Where something that decides rounding differs, the accuracy has
    to agree to `TOLERANCE`, and it is told how many indices are the same: near ties are then chosen otherwise.
    """
    journalled, again = of.rounds[number], line["acquired"]
    shared = len(set(journalled.acquired) & set(again))
    indices = f"{shared} of {len(journalled.acquired)} indices the same"
    accuracy = f"accuracy {journalled.accuracy:.4f} there, {line['accuracy']:.4f} here"
    exact = (journalled.acquired, journalled.accuracy) == (again, line["accuracy"])
    if exact:
        return Comparison(True, f"exactly the same, accuracy {journalled.accuracy:.4f}")
    if not differences:
        return Comparison(False, f"differs on the same kind of machine: {indices}, {accuracy}")
    close = abs(journalled.accuracy - line["accuracy"]) <= TOLERANCE and len(journalled.acquired) == len(again)
    where = f"{accuracy}, {indices}; not the same {', '.join(differences)}, which change rounding"
    return Comparison(close, f"within {TOLERANCE}: {where}" if close else f"differs by more than {TOLERANCE}: {where}")
