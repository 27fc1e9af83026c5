"""Which OpenGSPR this is."""

import subprocess
from functools import cache
from pathlib import Path

VERSION = "0.0.1"


@cache
def made_with() -> dict[str, str]:
    """The version and, in a checkout, its commit (40 hex digits, and -dirty where files differ from it)."""
    root = Path(__file__).parent.parent
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    if (root / ".git").exists():
        try:
            commit = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
            return {"opengspr": VERSION, "commit": commit}
        except (OSError, subprocess.CalledProcessError):
            pass  # no git here, or not our checkout
    return {"opengspr": VERSION}
