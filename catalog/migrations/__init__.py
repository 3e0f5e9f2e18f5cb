"""Alembic's tree: one environment, and in `versions` one module per revision."""
