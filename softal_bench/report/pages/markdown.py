"""Markdown that no label, name or error text can break out of."""

import re

import pandas as pd

from softal_bench.errors import one_line

# A bracket is plain text unless it opens a line (a task, a definition) or closes the text of a link.
_LINK = re.compile(r"^\[|\](?=[(\[:])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BLOCK_START = re.compile(r"^([#+\-=]|\d+[.)])")
_HEADING_END = re.compile(r"(?<=\s)#+$")  # closes a heading and is not shown
# An underscore inside a word is plain text in every dialect of a code host; at its edge it is emphasis.
_EDGE_UNDERSCORE = re.compile(r"(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")


def counted(count: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "trial"), counted(3, "trial")
    ('1 trial', '3 trials')
    """
    return f"{count} {noun}{'' if count == 1 else 's'}"


def escape(text: str) -> str:
    r"""Return text as one line of Markdown that shows exactly it: in a paragraph, a heading or a table's
    cell.

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
    r"""Return a link with escaped text.

    >>> print(link("a [b] ]", "b.md"))
    [a \[b\] \]](b.md)
    """
    brackets_escaped = re.sub(r"(?<!\\)((?:\\\\)*)([\[\]])", r"\1\\\2", escape(text))
    return f"[{brackets_escaped}]({target})"


def escape_block(text: str) -> str:
    r"""Return text as Markdown that shows exactly it as a whole paragraph, a list's item or a heading.

    What would start a list or a heading, or end a heading, is escaped too.

    >>> print(escape_block("# not a heading"), escape_block("1. no list"), escape_block("in C #"))
    \# not a heading 1\. no list in C \#
    """
    line = _BLOCK_START.sub(lambda match: f"{match[0][:-1]}\\{match[0][-1]}", escape(text))
    return _HEADING_END.sub(lambda match: f"\\{match[0]}", line)


def table(cells: pd.DataFrame, align: str = "right") -> str:
    """Return a table of text as Markdown: the index as the first column, under its name; all texts escaped.

    Args:
        cells: the texts.
        align: "left" or "right", of the columns after the first.
    """
    header = [escape(str(name)) for name in [cells.index.name or "", *cells.columns]]
    rows = [[escape(str(value)) for value in row] for row in cells.itertuples()]
    rule = [":--", *(":--" if align == "left" else "--:" for _ in cells.columns)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *rows])
