"""An environment layered over the current one: it adds to the packages installed there, so that torch is shared.

`python tests/installed/layer.py FOLDER` creates it; its own packages take precedence over those below.
"""

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path


def make_layer(folder: Path) -> Path:
    """Create the environment in the folder, replacing an existing one, and return its Python."""
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
