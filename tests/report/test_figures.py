"""What the figures draw, compared with the data in the journals."""

from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from softal_bench.report.figures.curves import accuracy_figure
from softal_bench.report.figures.drawing import to_svg
from softal_bench.report.stats.tables import all_labels, settings

from .conftest import ACCURACIES
from .example import POWER, ExampleAcquisition, ExampleCondition, ExampleSuite, lines, write


def draw(suite: ExampleSuite, batch_size: int = 10) -> Figure:
    results = suite.collect()
    (setting,) = settings(results)
    figure = accuracy_figure(setting, batch_size, all_labels(results.suite.conditions), suite.report.targets)
    assert figure is not None
    return figure


def test_the_line_shows_means_over_trials_against_labels(suite: ExampleSuite) -> None:
    target, line = draw(suite).axes[0].get_lines()
    np.testing.assert_allclose(np.asarray(line.get_xdata()), [20, 30, 40, 50])
    np.testing.assert_allclose(np.asarray(line.get_ydata()), np.mean(ACCURACIES, axis=0))
    np.testing.assert_allclose(np.asarray(target.get_ydata()), 0.9)


def test_the_band_lies_between_the_worst_and_the_best_trial(suite: ExampleSuite) -> None:
    (band,) = draw(suite).axes[0].collections
    (path,) = band.get_paths()
    heights = np.asarray(path.vertices)[:, 1]
    assert heights.min() == pytest.approx(np.min(ACCURACIES))
    assert heights.max() == pytest.approx(np.max(ACCURACIES))


def test_a_method_has_the_same_colour_in_every_figure(suite: ExampleSuite) -> None:
    both = [ExampleCondition(), ExampleCondition(POWER), ExampleCondition(POWER, batch_size=5)]
    suite = replace(suite, conditions=both)
    for condition in both[1:]:
        write(suite.path(condition, 0), lines(condition, 0, [0.5, 0.9]))
    next_to_uniform, alone = (draw(suite, size).axes[0].get_lines()[-1] for size in (10, 5))
    assert to_rgb(next_to_uniform.get_color()) == to_rgb(alone.get_color())


def test_no_figure_is_drawn_without_a_done_trial(suite: ExampleSuite) -> None:
    results = replace(suite, conditions=[ExampleCondition(batch_size=5)]).collect()
    assert accuracy_figure(settings(results)[0], 5, ["uniform"], [0.9]) is None


def test_the_same_data_give_the_same_svg_on_white(suite: ExampleSuite) -> None:
    first, second = to_svg(draw(suite)), to_svg(draw(suite))
    assert first == second
    assert b"fill: #ffffff" in first
    assert b"<dc:date>" not in first


@pytest.mark.parametrize("label", ["_hidden", "$x^", "<script>alert(1)</script>", "--><b>", "a\x00b", "名", "x" * 200])
def test_no_label_breaks_the_svg(suite: ExampleSuite, label: str) -> None:
    condition = ExampleCondition(ExampleAcquisition(label, "uniform"))
    suite = replace(suite, conditions=[condition], trials=1)
    write(suite.path(condition, 0), lines(condition, 0, [0.5, 0.9]))
    svg = to_svg(draw(suite))
    tags = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(svg).iter()}
    assert not tags & {"script", "b", "text"}
    (text,) = draw(suite).legends[0].get_texts()
    assert text.get_text().endswith("(n = 1)")
