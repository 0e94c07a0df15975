"""YAML from strangers becomes plain, bounded data, or an error that says where."""

import math
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from softal_bench.errors import SuiteError
from softal_bench.suite import load_suite
from softal_bench.suite.safe_yaml import MAX_BYTES, parse

from .example import write_suite


def refusal(text: str) -> str:
    with pytest.raises(SuiteError) as error:
        parse(text, "x.yaml")
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: 1e-3", {"a": 0.001}),
        ("a: 1E5", {"a": 100000.0}),
        ("a: -2.5e+3", {"a": -2500.0}),
        ("a: 1e", {"a": "1e"}),
        ("a: e3", {"a": "e3"}),
        ("a: [-7, +7, 0, 1., .5, -.5]", {"a": [-7, 7, 0, 1.0, 0.5, -0.5]}),
        (
            "a: [1:30, 1:1:1, 0x10, 0b1, 1_000, 0o7, 1.2.3]",
            {"a": ["1:30", "1:1:1", "0x10", "0b1", "1_000", "0o7", "1.2.3"]},
        ),
        ("a: [1, 0.5, true, null, text]", {"a": [1, 0.5, True, None, "text"]}),
        ('a: "2024-01-01"', {"a": "2024-01-01"}),
        ("power(bald, T=0.125)", "power(bald, T=0.125)"),
        ("a: &shared {b: 1}\nc: *shared", {"a": {"b": 1}, "c": {"b": 1}}),
        ("", None),
        ("# nothing but a comment", None),
    ],
)
def test_plain_data_are_read(text: str, data: Any) -> None:
    assert parse(text, "x.yaml") == data


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 0100", "'0100' begins with 0; write '100', or put it in quotes"),
        ("a: " + "9" * 5000, "a number of 5000 characters; at most 400 are read"),
        ("a: 1e" + "9" * 5000, "a number of 5002 characters"),
        ("a: -9223372036854775808", "an integer of 19 digits; at most 9223372036854775807 is read"),
        ("a: !!int 0x" + "f" * 5000, "a number of 5002 characters"),
        ("a: !!int 1:30", "'1:30' is not an integer"),
        ("a: !!float 1:30", "'1:30' is not a number"),
        ("a: .inf", "inf is not a finite number"),
    ],
)
def test_a_very_long_or_ambiguous_number_is_rejected(text: str, problem: str) -> None:
    assert problem in refusal(text)


@pytest.mark.parametrize("digits", [40_000, 900_000])
@pytest.mark.parametrize(
    "text",
    ["a: {}", "a: {}x", "a: 0x{}", "a: 0{}", "a: 1:{}", 'a: "{}"', "a: !!int {}", "a: !!timestamp {}", "? {}\n: 1"],
)
def test_a_very_long_value_is_rejected(text: str, digits: int) -> None:
    assert "characters; at most 20000 are read" in refusal(text.format("1" * digits))


@pytest.mark.parametrize("key", ["trials", "posterior_samples", "training.epoch_draws", "training.max_epochs"])
@pytest.mark.parametrize("number", ["1" + "0" * 19, "9" * 399])
def test_a_number_too_large_for_a_tensor_is_rejected_in_settings(tmp_path: Path, key: str, number: str) -> None:
    with pytest.raises(SuiteError, match=rf"--set {key}={number}: .*at most 9223372036854775807 is read"):
        load_suite(write_suite(tmp_path), settings=[f"{key}={number}"])


@pytest.mark.parametrize("text", ["{}x", "1:1{}", "{}.", "1.{}e", "-{}_"])
def test_reading_a_long_scalar_takes_linear_time(text: str) -> None:
    def seconds(length: int) -> float:
        document = "a: " + text.format("1" * length)
        start = time.process_time()
        with suppress(SuiteError):
            parse(document, "x.yaml")
        return time.process_time() - start

    assert min(seconds(19_000) for _ in range(3)) < 8 * max(seconds(4_750) for _ in range(3)) + 0.1


def test_a_number_with_an_exponent_is_read_as_a_number() -> None:
    assert isinstance(parse("1e-3", "x.yaml"), float)


def test_a_repeated_key_is_reported_with_its_line() -> None:
    message = refusal("a: 1\nb: 2\na: 3")
    assert message.startswith("x.yaml: line 3, column 1: ")
    assert "'a' is repeated" in message


def test_a_repeated_key_in_a_nested_mapping_is_an_error() -> None:
    assert "line 4" in refusal("a:\n  b:\n    c: 1\n    c: 2")


@pytest.mark.parametrize("key", ["1", "true", "null", "1.5", "2024-01-01", "? [a]\n", "? {a: 1}\n"])
def test_the_error_for_a_key_that_is_not_text_says_to_quote_it(key: str) -> None:
    message = refusal(f"a: 1\n{key}: x")
    assert "line 2" in message
    assert "quotes" in message


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "1e999", "-1e999"])
def test_a_number_that_is_not_finite_is_reported_with_its_place(number: str) -> None:
    message = refusal(f"a: {{b: [0, {number}]}}")
    assert message.startswith("x.yaml: a.b[1]: ")
    assert "not a finite number" in message


@pytest.mark.parametrize("value", ["2024-01-01", "2024-01-01 10:00:00", "!!binary aGk=", "!!set {x, y}"])
def test_the_error_for_a_value_that_is_not_plain_says_to_quote_it(value: str) -> None:
    message = refusal(f"a: {value}")
    assert message.startswith("x.yaml: a: ")
    assert "quotes" in message


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system [echo]",
        "!!python/object:builtins.dict {}",
        "!!python/name:os.system ''",
        "!!python/module:os ''",
        "!mine {a: 1}",
        "!<tag:example.org,2002:x> y",
    ],
)
def test_a_tag_that_could_run_code_is_reported_with_its_line(tag: str) -> None:
    message = refusal(f"a: 1\nb: {tag}")
    assert message.startswith("x.yaml: line 2, ")
    assert "tag" in message


@pytest.mark.parametrize(
    "value",
    [
        '!!int ""',
        "!!int abc",
        "!!int _",
        '!!float ""',
        "!!float .",
        "!!bool maybe",
        "!!timestamp today",
        "!!map text",
        "!!map [a]",
        "!!set [a]",
        "!!seq {a: 1}",
        "!!str [a]",
        "!!omap {a: 1}",
        "=",
        "<<",
        "2024-13-45",
        "9" * 5000,
    ],
)
def test_a_value_that_does_not_fit_its_tag_is_an_error(value: str) -> None:
    assert refusal(f"a: {value}").startswith("x.yaml: ")


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "\ta: 1", "a: 'x", "--- a\n--- b", "a: *unknown", "@", "%YAML 9.9\n--- a"]
)
def test_invalid_yaml_is_reported_with_its_line(text: str) -> None:
    assert refusal(text).startswith("x.yaml: line ")


@pytest.mark.parametrize("character", ["\x00", "\x07", "\ufffe"])
def test_a_character_that_yaml_does_not_allow_is_an_error(character: str) -> None:
    assert refusal(f"a: x{character}").startswith("x.yaml: ")


@pytest.mark.parametrize(
    "text", ["a: &loop [*loop]", "a: &loop {b: *loop}", "&loop [[*loop]]", "&loop {x: {<<: *loop}}"]
)
def test_an_anchor_that_contains_itself_is_reported_with_its_line(text: str) -> None:
    message = refusal(text)
    assert "contains itself" in message
    assert "line 1" in message


def bomb(levels: int, start: str, level: str) -> str:
    """Return a document with ten aliases of the previous level in each level: 10^levels values when expanded."""
    lines = [f"a0: &a0 {start}"]
    lines += [f"a{n}: &a{n} {level.format(', '.join([f'*a{n - 1}'] * 10))}" for n in range(1, levels)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb(9, "[lol]", "[{}]"),
        bomb(400, "[lol]", "[{}]"),
        bomb(9, "{x: 1}", "{{<<: [{}]}}"),
        "a: &a " + "x" * 1000 + "\nb: &b [" + "*a, " * 1000 + "]\nc: [" + "*b, " * 1000 + "]",
        "[" * 100_000,
        "{a: " * 20_000,
        "- " * 100_000,
        "? " * 20_000,
    ],
    ids=["billion laughs", "deep", "merges", "wide", "open lists", "open mappings", "dashes", "questions"],
)
def test_rejecting_an_expanding_document_takes_about_as_long_as_reading_a_plain_one(text: str) -> None:
    plain = "a: [" + "1, " * (max(len(text), 100_000) // 3) + "]"
    before = time.process_time()
    parse(plain, "x.yaml")
    read = time.process_time()
    refusal(text)
    assert time.process_time() - read < 20 * (read - before)


def test_a_document_above_the_size_limit_is_rejected_and_one_at_it_is_read() -> None:
    fits = "a: x\n".ljust(MAX_BYTES, "#")
    assert parse(fits, "x.yaml") == {"a": "x"}
    assert f"at most {MAX_BYTES}" in refusal(fits + "#")


def test_nesting_has_a_limit() -> None:
    assert parse("[" * 40 + "]" * 40, "x.yaml") != []
    assert "nested too deeply; at most 50" in refusal("[" * 60 + "]" * 60)


def is_plain(data: Any) -> bool:
    if isinstance(data, dict):
        return all(isinstance(key, str) and is_plain(value) for key, value in data.items())
    if isinstance(data, list):
        return all(map(is_plain, data))
    return data is None or isinstance(data, str | int) or (isinstance(data, float) and math.isfinite(data))


TAGS = ("!!int ", "!!float ", "!!bool ", "!!timestamp ", "!!map ", "!!seq ", "!!set ")
SIGNS = ("&a ", "*a", "<<", ": ", "- ", "? ", "[", "]", "{", "}", ", ", '"', "'", "|", ">", "~", "#", "%", "=")
TEXTS = ("a", "e", "1", ".nan", "\n", "  ")
yaml_like = st.lists(st.sampled_from([*TAGS, *SIGNS, *TEXTS]), max_size=12).map("".join)


@given(st.text() | yaml_like)
@example("!!map {a}")
def test_any_text_gives_plain_data_or_a_suite_error(text: str) -> None:
    found = data_or_error(text)
    if isinstance(found, SuiteError):
        assert str(found).startswith("x.yaml: ")
    else:
        assert is_plain(found)


def data_or_error(text: str) -> Any:
    try:
        return parse(text, "x.yaml")
    except SuiteError as error:
        return error
