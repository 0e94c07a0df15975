"""Ten thousand journals of thirty rounds are read for the leaderboard in less than ten seconds."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from softal_bench.journal.lines import Status

from .example import ExampleCondition, ExampleSuite, lines

CONDITIONS, TRIALS, ROUNDS = 100, 100, 30


@pytest.mark.long
def test_ten_thousand_journals_are_read_in_less_than_ten_seconds(tmp_path: Path) -> None:
    conditions = [ExampleCondition(patience=number) for number in range(CONDITIONS)]
    suite = replace(ExampleSuite(tmp_path), conditions=conditions, trials=TRIALS)
    suite.path(conditions[0], 0).parent.mkdir(parents=True)
    accuracies = [0.5 + number / 100 for number in range(ROUNDS)]
    for condition in conditions:
        header, *others = lines(condition, 0, accuracies)
        same = "".join(json.dumps(line) + "\n" for line in others)
        for trial in range(TRIALS):
            own = json.dumps({**header, "key": condition.key(trial), "trial": trial})
            suite.path(condition, trial).write_text(f"{own}\n{same}")
    before = time.process_time()
    results = suite.collect()
    assert time.process_time() - before < 10
    assert results.count(Status.DONE) == CONDITIONS * TRIALS
    assert sum(len(trial.rounds) for trial in results.trials) == CONDITIONS * TRIALS * ROUNDS
