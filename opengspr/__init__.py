"""The floor of OpenGSPR on which every room stands: errors and commands, files that are whole or absent, shards.

It imports no room. Every room may import it.
"""

from opengspr.command import UserError, command

__all__ = ["UserError", "command"]
__version__ = "0.0.1"
