"""What the figures of a cost suite draw, compared with the data in the journals."""

import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softal_bench.report.figures.cost import (
    comparable_batch_size,
    figure_against_batch_size,
    figure_against_pool_size,
    not_drawn,
)
from softal_bench.report.figures.drawing import to_svg

from ..example import write
from .conftest import JOINT
from .example import ExampleCosts, lines

LABELS = ["uniform", "bald", JOINT]


def against_b(costs: ExampleCosts) -> Figure:
    (setting,) = costs.settings()
    figure = figure_against_batch_size(setting, LABELS)
    assert figure is not None
    return figure


def drawn(axes: Axes) -> list[Line2D]:
    """Return the lines of methods, which are solid and have no name."""
    return [line for line in axes.get_lines() if line.get_gid() is None and line.get_linestyle() == "-"]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_lines_are_medians_against_b_in_a_panel_for_each_n(costs: ExampleCosts) -> None:
    panels = against_b(costs).axes
    assert [axes.get_title(loc="left") for axes in panels] == ["N = 1000", "N = 10 000", "N = 100 000"]
    for axes, size in zip(panels, (1000, 10_000, 100_000), strict=True):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        uniform, bald, joint = drawn(axes)
        np.testing.assert_allclose(np.asarray(uniform.get_ydata()), 1e-3)
        np.testing.assert_allclose(np.asarray(bald.get_xdata()), [1, 2, 5, 10])
        np.testing.assert_allclose(np.asarray(bald.get_ydata()), 1e-6 * size)
        sizes = np.asarray(joint.get_xdata())
        np.testing.assert_allclose(np.asarray(joint.get_ydata()), 1e-6 * size * sizes**2)
    assert np.asarray(drawn(panels[2])[2].get_xydata()).shape == (2, 2)


def test_bands_are_quartiles(costs: ExampleCosts) -> None:
    bands = against_b(costs).axes[0].collections
    heights = np.asarray(bands[0].get_paths()[0].vertices)[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((0.95e-3, 1.1e-3))


def test_a_timeout_is_an_open_mark_at_the_limit_joined_to_the_last_done_cell(costs: ExampleCosts) -> None:
    lines_ = against_b(costs).axes[2].get_lines()
    (mark,) = [line for line in lines_ if line.get_gid() == "over-timeout"]
    assert (mark.get_xdata(), mark.get_ydata()) == ([5], [20])
    assert mark.get_markerfacecolor() == "none"
    (joint,) = [line for line in lines_ if line.get_linestyle() == ":"]
    np.testing.assert_allclose(np.asarray(joint.get_xydata()), np.array([[2, 0.4], [5, 20]]))
    assert "ended at the cell's limit" in legend(against_b(costs))


def test_marks_at_the_same_place_have_different_sizes(costs: ExampleCosts) -> None:
    write(costs.path(over := costs.condition("bald", 100_000, 5)), lines(over, status="out_of_memory"))
    marks = {line.get_gid(): line for line in against_b(costs).axes[2].get_lines() if line.get_gid()}
    timeout, memory = marks["over-timeout"], marks["over-out_of_memory"]
    assert timeout.get_marker() != memory.get_marker()
    assert timeout.get_markersize() != memory.get_markersize()
    assert "out of memory (no time)" in legend(against_b(costs))


def test_the_legend_lists_methods_by_their_last_value_including_limits(costs: ExampleCosts) -> None:
    for size in (1, 2, 10):
        costs.path(costs.condition("bald", 100_000, size)).unlink()
    write(costs.path(over := costs.condition("bald", 100_000, 5)), lines(over, status="timeout"))
    for pool_size in (1000, 10_000, 100_000):
        write(costs.path(one := costs.condition("uniform", pool_size)), lines(one, [7.0]))
    assert legend(against_b(costs))[:3] == ["bald", JOINT, "uniform"]


def test_zero_seconds_are_omitted_without_a_warning(costs: ExampleCosts) -> None:
    for size in (1, 2, 5, 10):
        condition = costs.condition("uniform", 1000, size)
        write(costs.path(condition), lines(condition, [0.0] * 3, predict_seconds=[0.0]))
    write(costs.path(one := costs.condition("bald")), lines(one, [0.0, 1e-3, 1e-3]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = against_b(costs)
        to_svg(figure)
    assert len(np.asarray(drawn(figure.axes[0])[0].get_xdata())) == 0
    (setting,) = costs.settings()
    assert not_drawn(setting, lambda label: setting.against_batch_size(label, 1000).values()) == ["uniform"]


def test_prediction_is_a_horizontal_line(costs: ExampleCosts) -> None:
    condition = costs.condition("uniform")
    write(costs.path(condition), lines(condition, [1e-3], predict_seconds=[0.1, 0.3, 0.2]))
    figure = against_b(costs)
    with_prediction = [[line for line in axes.get_lines() if line.get_gid() == "prediction"] for axes in figure.axes]
    assert [len(found) for found in with_prediction] == [1, 0, 0]
    np.testing.assert_allclose(np.asarray(with_prediction[0][0].get_ydata()), 0.2)
    assert legend(figure)[-1] == "prediction of the pool"


def test_the_figure_against_n_uses_the_b_that_shows_the_most_methods(costs: ExampleCosts) -> None:
    (setting,) = costs.settings()
    assert comparable_batch_size(setting) == 10  # all three methods are done at N = 1000 and 10 000
    (axes,) = figure_against_pool_size(setting, 10, LABELS).axes
    assert axes.get_title(loc="left") == "B = 10"
    _, bald, joint = drawn(axes)
    np.testing.assert_allclose(np.asarray(bald.get_xydata()), [[1e3, 1e-3], [1e4, 1e-2], [1e5, 1e-1]])
    np.testing.assert_allclose(np.asarray(joint.get_xydata()), [[1e3, 1e-1], [1e4, 1]])


def test_b_is_smaller_if_one_method_is_done_only_at_small_b(costs: ExampleCosts) -> None:
    for size in (5, 10):
        costs.path(costs.condition(JOINT, 10_000, size)).unlink()
    (setting,) = costs.settings()
    assert comparable_batch_size(setting) == 2


def test_methods_without_a_mark_are_named(costs: ExampleCosts) -> None:
    for pool_size in (1000, 10_000, 100_000):
        costs.path(costs.condition("bald", pool_size, 10)).unlink()
    (setting,) = costs.settings()
    assert not_drawn(setting, lambda label: setting.against_pool_size(label, 10).values()) == ["bald"]
    assert not_drawn(setting, setting.of_method) == []


def test_no_figure_is_drawn_without_a_cell(tmp_path_factory: pytest.TempPathFactory) -> None:
    (setting,) = ExampleCosts(tmp_path_factory.mktemp("empty")).settings()
    assert figure_against_batch_size(setting, LABELS) is None
    assert comparable_batch_size(setting) is None


def test_a_method_has_the_same_colour_in_both_figures_and_svgs_are_reproducible(costs: ExampleCosts) -> None:
    (setting,) = costs.settings()
    against_n = figure_against_pool_size(setting, 2, LABELS)
    colours = [[line.get_color() for line in drawn(figure.axes[0])] for figure in (against_b(costs), against_n)]
    assert colours[0] == colours[1]
    svg = to_svg(against_b(costs))
    assert svg == to_svg(against_b(costs))
    assert b"fill: #ffffff" in svg
    ElementTree.fromstring(svg)
