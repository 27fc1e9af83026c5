"""How a command of OpenGSPR starts and how it ends.

A user's mistake ends in one line on the error stream and exit status 2; our own bug ends in a traceback.
"""

import errno
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# What the machine or its user refuses, which no bug of ours can cause.
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT, errno.EIO)


class UserError(ValueError):
    """A mistake of the user or of what they handed us, in one line: about what, what was got, what was wanted."""


def command(settings: Any, main: Callable[[Any], None], args: Sequence[str] | None = None) -> None:
    """Reads the flags of the dataclass `settings` and runs `main` with them.

    Args:
        settings: a dataclass, or a union of such for subcommands; its docstring is the help text, its fields are the
            flags.
        main: the work. A `UserError` from it becomes one line and exit status 2; Ctrl-C gives 130, SIGTERM 143.
        args: the command line without the program's name; by default this process's own.
    """
    import tyro  # only commands need it: a library user of the rooms does not

    spec = getattr(sys.modules["__main__"], "__spec__", None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # unwinds: locks and part files go
    try:
        main(tyro.cli(settings, prog=f"python -m {spec.name}" if spec else None, args=args))
    except UserError as error:
        if os.environ.get("RANK", "0") == "0":  # of several processes at one job, each would say it
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # whoever read our output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise
        print(f"error: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped by the user; the same command goes on from here", file=sys.stderr)
        sys.exit(130)


def data_root(given: str | Path | None = None) -> Path:
    """The folder of captures and datasets: the one given, else $OPENGSPR_DATA, else ./data."""
    return Path(given or os.environ.get("OPENGSPR_DATA") or "data")


def require_own_datasets() -> None:
    """Refuses to go on where `import datasets` would find another project's package of that name.

    The packages that import `datasets` call this as they are imported, so that it comes before the import that would
    fail in a less helpful way.

    Raises:
        ImportError: one line with the remedy; as a command (`python -m ...`) the same line and exit status 2.
    """
    spec = importlib.util.find_spec("datasets")
    origin = Path(spec.origin) if spec and spec.origin else None
    if origin and b"OpenGSPR" in origin.read_bytes()[:200]:
        return
    message = (
        f"another package named 'datasets' comes first on the path: {origin or 'a folder without __init__.py'}; "
        "run from the OpenGSPR checkout, in a virtual environment of its own without that package"
    )
    if sys.argv[:1] == ["-m"]:  # Python is still looking for the module that `python -m` names
        print(f"error: {message}", file=sys.stderr)
        sys.exit(2)
    raise ImportError(message)
