"""No index that nobody asks: each is one more page to write with every run.

Runs that succeeded are found by time; the states that are asked for are the others. What a run
made is found by the run, and who made a version stands in the version.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Drop one, and make the other of what it is asked for."""
    op.drop_index("ix_run_output_version_id_run_id", "run_output")
    name = "ix_run_state_started_at"
    op.drop_index(name, "run")
    given = sa.text("state <> 'succeeded'")
    op.create_index(
        name,
        "run",
        ["state", "started_at"],
        unique=False,
        sqlite_where=given,
        postgresql_where=given,
    )
