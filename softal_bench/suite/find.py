"""Where a suite file is: a path, or the name of a suite that comes with the package."""

from pathlib import Path

from softal_bench.errors import SuiteError, suggestion

_SHIPPED = Path(__file__).parent / "shipped"
_SUFFIXES = (".yaml", ".yml")


def shipped_suites() -> dict[str, Path]:
    """The suite files that come with the package, by name."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.yaml"))}


def looks_like_a_path(given: Path) -> bool:
    """Whether a suite is named by its file: with a suffix or a folder."""
    return given.suffix in _SUFFIXES or len(given.parts) > 1


def find_suite(given: Path) -> Path:
    """The file of a suite: as given, or the one that comes with the package under this name.

    Raises:
        SuiteError: if it is neither; names the nearest.
    """
    shipped = shipped_suites()
    if looks_like_a_path(given) or (str(given) not in shipped and given.is_file()):
        return given
    if str(given) not in shipped:
        raise SuiteError(
            f"{given}: no such suite file, and no suite of this name comes with the package"
            f"{suggestion(str(given), shipped)} They are {', '.join(shipped)}"
        )
    return shipped[str(given)]
