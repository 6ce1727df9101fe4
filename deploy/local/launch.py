"""`python -m deploy.local.launch FILE`: become the program that a file describes.

The process manager starts every program through this, so that passwords stand in a file that only its owner can read and
on no command line; that a program gets the variables meant for it and no others; that servers give up root; and that
everything stops with the process manager, however that ends (on Linux).
"""

import ctypes
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from deploy.local.ports import is_open

PR_SET_PDEATHSIG = 1


def main(path: Path) -> None:
    """Replace this process by the program that the JSON file at `path` describes (see `supervision.Program`)."""
    program: dict[str, Any] = json.loads(path.read_text())
    # Whoever is waited for may never come: after two minutes the program says itself what it misses.
    deadline = time.monotonic() + 120
    while not all(map(is_open, program["wait_for_ports"])) and time.monotonic() < deadline:
        time.sleep(0.2)
    if program["uid"] is not None:
        os.setgroups([])
        os.setgid(program["uid"])
        os.setuid(program["uid"])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, program["stop_signal"])
    os.chdir(program["folder"])
    os.execve(program["command"][0], program["command"], program["environment"])  # noqa: S606 - no shell wanted


if __name__ == "__main__":
    main(Path(sys.argv[1]))
