"""The command line: `rootcellar`, and `celery -A app rootcellar`.

Plain click and not typer, because Celery's own command line is click and takes our commands as
they are, while typer carries a click of its own.
"""

from __future__ import annotations

import sys

from rootcellar.cli.commands import celery_command, command

__all__ = ["celery_command", "main"]


def main() -> None:
    """Run the console script and end the process: 0 is well, 1 is not, 2 is a wrong call."""
    sys.exit(command.main(prog_name="rootcellar"))
