"""Labels and area against a parameter of acquisition functions."""

from dataclasses import replace

import numpy as np
import pytest

from softal_bench.report.figures.drawing import to_svg
from softal_bench.report.figures.sweep import sweep_figure
from softal_bench.report.stats.sweep import sweep_lines
from softal_bench.report.stats.tables import Setting, settings

from .example import ExampleAcquisition, ExampleCondition, ExampleSuite, lines, write

UNIFORM = ExampleAcquisition("uniform", "uniform")


def rule(name: str, temperature: float) -> ExampleAcquisition:
    return ExampleAcquisition(f"{name}(T={temperature})", name, {"temperature": temperature, "score": {"bald": {}}})


@pytest.fixture
def setting(suite: ExampleSuite) -> Setting:
    """Return power at T = 0.5, 0.25 and 2 (in this order; the last was not run), softmax at T = 1, and uniform."""
    acquisitions = [rule("power", 0.5), rule("power", 0.25), rule("power", 2.0), rule("softmax", 1.0), UNIFORM]
    of_power = [ExampleCondition(acquisition) for acquisition in acquisitions]
    suite = replace(suite, conditions=of_power)
    curves = {0: [0.5, 0.9], 1: [0.5, 0.7, 0.9], 3: [0.4, 0.5], 4: [0.5, 0.6, 0.7, 0.9]}
    for number, accuracies in curves.items():
        for trial in range(3):
            write(suite.path(of_power[number], trial), lines(of_power[number], trial, accuracies))
    (found,) = settings(suite.collect())
    return found


def test_functions_that_differ_only_in_the_parameter_form_an_ascending_line(setting: Setting) -> None:
    found = {line.name: line.points for line in sweep_lines(setting, 10, "temperature", 0.9)}
    assert [point.value for point in found["power(score=bald)"]] == [0.25, 0.5]
    assert [point.labels[1] for point in found["power(score=bald)"]] == [40, 30]
    assert [point.area for point in found["power(score=bald)"]] == pytest.approx([(0.6 + 0.8) / 2, 0.7])
    assert [point.value for point in found["softmax(score=bald)"]] == [1.0]


def test_a_function_without_the_parameter_is_a_separate_line_without_a_value(setting: Setting) -> None:
    (uniform,) = [line for line in sweep_lines(setting, 10, "temperature", 0.9) if line.name == "uniform"]
    assert [(point.value, point.labels[1]) for point in uniform.points] == [(None, 50)]


def test_the_figure_draws_medians_above_and_areas_below(setting: Setting) -> None:
    figure = sweep_figure(setting, "temperature", 0.9)
    assert figure is not None
    above, below = figure.axes
    power = above.get_lines()[0]
    np.testing.assert_allclose(np.asarray(power.get_xdata()), [0.25, 0.5])
    np.testing.assert_allclose(np.asarray(power.get_ydata()), [40, 30])
    np.testing.assert_allclose(np.asarray(below.get_lines()[0].get_ydata()), [0.7, 0.7])
    across = next(line for line in above.get_lines() if list(np.asarray(line.get_ydata())) == [50, 50])
    np.testing.assert_allclose(np.asarray(across.get_xdata()), [0.25, 1.0])
    assert below.get_xscale() == "log"
    assert to_svg(figure) == to_svg(sweep_figure(setting, "temperature", 0.9))  # type: ignore[arg-type]


def test_an_infinite_median_has_no_mark(setting: Setting) -> None:
    figure = sweep_figure(setting, "temperature", 0.9)
    assert figure is not None
    heights = [np.asarray(line.get_ydata(), float) for line in figure.axes[0].get_lines()]
    assert any(np.isnan(height).all() for height in heights)  # softmax never reaches 0.9


def test_no_figure_is_drawn_if_no_function_with_the_parameter_is_done(setting: Setting) -> None:
    assert sweep_figure(setting, "rank", 0.9) is None
