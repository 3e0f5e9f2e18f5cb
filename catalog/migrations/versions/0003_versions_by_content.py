"""Versions are found by their content: which file is this, and where are its copies."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the index."""
    op.create_index(op.f("ix_version_content_id"), "version", ["content_id"], unique=False)
