"""Builds the documentation: `python -m docs` writes docs/_build/html.

    python -m docs                 # all pages; every warning is an error
    python -m docs --fast          # without running the code of guides and notebooks
    python -m docs --open          # and opens the first page in a browser

Needs the dependency group `docs`. The code of guides and notebooks runs on one backend, torch by
default (`KERAS_BACKEND`); what has run is kept in docs/_build, and runs again after a change.
"""

import argparse
import os
import subprocess
import sys
import webbrowser
from pathlib import Path

DOCS = Path(__file__).parent
BUILD = DOCS / "_build"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--fast", action="store_true", help="do not run the code of the pages")
    parser.add_argument("--open", action="store_true", help="open the first page in a browser")
    arguments = parser.parse_args()
    environment = {"KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1", **os.environ}
    # The kernels of the pages use this checkout, and print nothing of their backends.
    path = [str(DOCS.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment |= {"PYTHONPATH": os.pathsep.join(path), "TF_CPP_MIN_LOG_LEVEL": "3"}
    if arguments.fast:
        environment["DOCS_EXECUTE"] = "off"
    subprocess.run([sys.executable, "-m", "docs.pages"], check=True, env=environment)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-j", "2"]
    command += ["-d", str(BUILD / "doctrees"), str(DOCS), str(BUILD / "html")]
    status = subprocess.run(command, env=environment).returncode
    first = BUILD / "html" / "index.html"
    if arguments.open and status == 0:
        webbrowser.open(first.as_uri())
    return status


if __name__ == "__main__":
    raise SystemExit(main())
