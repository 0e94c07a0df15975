"""Regenerate the golden file: `python -m tests.golden`, from the root of the repository."""

import json
import re
import tempfile
from pathlib import Path

import click

from softal_bench.suite.condition import PROTOCOL_REVISION

from .compare import GOLDEN_FILE, Difference, differences, made_with, outdated, read_golden, revisions_of
from .record import Record, setup_and_rounds
from .trials import TRIALS, write_data


@click.command()
def regenerate() -> None:
    """Compute all golden trials and write the golden file.

    If results changed but no revision did, leave the golden file as it is and fail.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder))
        if GOLDEN_FILE.exists() and (found := unannounced(read_golden(), Path(folder))):
            lines = "\n".join(f"  {difference}" for difference in found)
            raise click.ClickException(
                f"results changed, but PROTOCOL_REVISION is still {PROTOCOL_REVISION}:\n{lines}\n"
                "Raise it in softal_bench/suite/condition.py, or the plugin's `revision`, and run this again."
            )
        golden = golden_of(Path(folder))
    GOLDEN_FILE.write_text(as_text(golden), encoding="utf-8")
    click.echo(f"Wrote {len(golden['trials'])} trials of protocol revision {PROTOCOL_REVISION} to {GOLDEN_FILE}.")


def unannounced(golden: Record, data_root: Path) -> list[Difference]:
    """Return the differences of trials whose golden entries have the current revisions."""
    comparable = [name for name in TRIALS if not outdated(name, golden)]
    return [found for name in comparable for found in differences(name, golden["trials"][name], data_root)]


def golden_of(data_root: Path) -> Record:
    """Return the contents of a new golden file."""
    trials = {}
    for name, spec in TRIALS.items():
        setup, *rounds = setup_and_rounds(spec, data_root)
        trials[name] = {"condition": spec, "revisions": revisions_of(spec), "setup": setup, "rounds": rounds}
    return {"protocol_revision": PROTOCOL_REVISION, "made_with": made_with(), "trials": trials}


def as_text(golden: Record) -> str:
    """Return JSON with each key, and each list that contains no lists, on a line of its own."""
    text = json.dumps(golden, indent=1)
    return re.sub(r"\[([^\[\]{}]*)\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


if __name__ == "__main__":
    regenerate()
