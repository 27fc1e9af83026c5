"""The floor of OpenGSPR on which every room stands: errors and commands, files that are whole or absent, shards.

It imports no room. Every room may import it.
"""

from opengspr.command import UserError, command
from opengspr.version import VERSION as __version__

__all__ = ["UserError", "__version__", "command"]
