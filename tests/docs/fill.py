"""Write the generated parts of the docs: the keys of suite files, and the files of `softal-bench new`.

Run it as `python -m docs.fill` in tests/.
"""

import re
import tempfile
from pathlib import Path

from docs.blocks import REPOSITORY
from docs.keys import filled
from softal_bench.templates import KINDS, write_distribution

SHOWN = re.compile(r"(<!-- test: is (?P<path>[^>]*?) -->\s*\n```\w+\n).*?(^```)", re.DOTALL | re.MULTILINE)


def with_files(text: str) -> str:
    """Return the page of plugins with the files of the distribution that it describes."""
    with tempfile.TemporaryDirectory() as folder:
        written, *_ = write_distribution(KINDS["acquisition"], "my_score", Path(folder))
        return SHOWN.sub(lambda found: f"{found[1]}{(written / found['path']).read_text()}{found[3]}", text)


PAGES = {"suites.md": filled, "plugins.md": with_files}


def main() -> None:
    for name, fill in PAGES.items():
        page = REPOSITORY / "docs" / name
        page.write_text(fill(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
