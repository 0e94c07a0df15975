"""Pairs are timed in turn, and each side's answers and seconds stay with it."""

import torch
from softal_bench_peers.compare.pairs import time_pairs

CPU = torch.device("cpu")


def test_both_sides_alternate_and_take_turns_going_first() -> None:
    calls: list[str] = []
    time_pairs(lambda: calls.append("theirs"), lambda: calls.append("ours"), 3, CPU)
    warm_up, timed = calls[:2], calls[2:]
    assert sorted(warm_up) == ["ours", "theirs"]
    assert timed == ["theirs", "ours", "ours", "theirs", "theirs", "ours"]


def test_all_calls_are_timed_without_warm_up() -> None:
    calls: list[str] = []
    pairs = time_pairs(lambda: calls.append("theirs"), lambda: calls.append("ours"), 2, CPU, warm_up=False)
    assert len(calls) == 4
    assert len(pairs.peer_seconds) == len(pairs.our_seconds) == 2


def test_answers_are_kept_by_side() -> None:
    answers = iter(range(4))
    pairs = time_pairs(lambda: "theirs", lambda: next(answers), 3, CPU)
    assert pairs.peer_answers == ["theirs"] * 3
    assert pairs.our_answers == [1, 2, 3]  # 0 was the warm-up
