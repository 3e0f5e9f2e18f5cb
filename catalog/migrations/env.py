"""Alembic's environment: one connection, given by `rootcellar.catalog.migration`."""

from __future__ import annotations

from alembic import context

from rootcellar.catalog.migration import REVISION_TABLE
from rootcellar.catalog.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table=REVISION_TABLE,
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
