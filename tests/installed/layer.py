"""An environment layered over this one: it sees what is installed here and adds to it, so that there is one torch.

`python tests/installed/layer.py FOLDER` makes it; its own packages come before those below.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path


def make_layer(folder: Path) -> Path:
    """Make the environment in the folder, anew if it is there; returns its Python."""
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    command = "import sysconfig; print(sysconfig.get_path('purelib'))"
    own = Path(subprocess.check_output([str(python), "-c", command], text=True).strip())
    below = sysconfig.get_path("purelib")
    (own / "below.pth").write_text(f"import site; site.addsitedir({below!r})\n")
    return python


if __name__ == "__main__":
    make_layer(Path(sys.argv[1]))
