"""Markdown in which texts from users, such as labels and error messages, stay plain text."""

import re

import pandas as pd

from softal_bench.errors import one_line
from softal_bench.report.stats.tables import Table

# A bracket is plain text unless it starts a line (a task, a definition) or ends the text of a link.
_LINK = re.compile(r"^\[|\](?=[(\[:])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BLOCK_START = re.compile(r"^([#+\-=]|\d+[.)])")
_HEADING_END = re.compile(r"(?<=\s)#+$")  # such signs end a heading and are not shown
# Code hosts show an underscore inside a word as it is; at the edge of a word it is emphasis.
_EDGE_UNDERSCORE = re.compile(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")


def counted(count: int, noun: str) -> str:
    """Return a number followed by the noun, in the plural if needed.

    >>> counted(1, "trial"), counted(3, "trial")
    ('1 trial', '3 trials')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def escape(text: str) -> str:
    r"""Return one line of Markdown that shows exactly this text inside a paragraph, a heading or a table.

    >>> print(escape("power(bald, T=0.125)"), escape("variation_ratios"))
    power(bald, T=0.125) variation_ratios
    >>> print(escape("a|b `c` <img> [x](y) *z* _w_"))
    a\|b \`c\` &lt;img&gt; [x\](y) \*z\* \_w\_
    """
    line = re.sub(r"[\\`*|~$]", r"\\\g<0>", one_line(text))
    line = _LINK.sub(r"\\\g<0>", line)
    line = re.sub("[&<>]", lambda match: _ENTITIES[match[0]], line)
    return _EDGE_UNDERSCORE.sub(r"\\_", line)


def link(text: str, target: str) -> str:
    r"""Return a link whose text is escaped.

    >>> print(link("a [b] ]", "b.md"))
    [a \[b\] \]](b.md)
    """
    brackets_escaped = re.sub(r"(?<!\\)((?:\\\\)*)([\[\]])", r"\1\\\2", escape(text))
    return f"[{brackets_escaped}]({target})"


def escape_block(text: str) -> str:
    r"""Return one line of Markdown that shows exactly this text as a whole paragraph, list item or heading.

    Signs that would start a list or a heading, or end a heading, are escaped too.

    >>> print(escape_block("# not a heading"), escape_block("1. no list"), escape_block("in C #"))
    \# not a heading 1\. no list in C \#
    """
    line = _BLOCK_START.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", escape(text))
    return _HEADING_END.sub(lambda match: f"\\{match[0]}", line)


def table(cells: pd.DataFrame, align: str = "right") -> str:
    """Return a table of texts as Markdown. All texts are escaped, and the index is the first column, under its name.

    Args:
        cells: the texts.
        align: the alignment of the columns after the first, "left" or "right".
    """
    header = [escape(str(name)) for name in [cells.index.name or "", *cells.columns]]
    rows = [[escape(str(value)) for value in row] for row in cells.itertuples()]
    rule = [":--", *(":--" if align == "left" else "--:" for _ in cells.columns)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *rows])


def titled(of: Table) -> list[str]:
    """Return a table under its title, as two paragraphs."""
    return [f"**{escape(of.title)}**", table(of.cells)]
