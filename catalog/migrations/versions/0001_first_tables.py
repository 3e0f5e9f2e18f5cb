"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

# As the columns are stored, not as `columns.py` has them now: a revision never changes.
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.String(32).with_variant(postgresql.TIMESTAMP(timezone=True), "postgresql")
JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Create the tables of an empty database."""
    _create_artifact_type()
    _create_catalog_info()
    _create_code()
    _create_content()
    _create_environment()
    _create_task()
    _create_artifact()
    _create_artifact_type_rev()
    _create_run()
    _create_artifact_key()
    _create_run_error()
    _create_version()
    _create_artifact_head()
    _create_location()
    _create_run_input()
    _create_run_output()


def _create_artifact_type() -> None:
    op.create_table(
        "artifact_type",
        sa.Column("id", ROW_ID, sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_artifact_type"),
        sa.UniqueConstraint("name", name="uq_artifact_type_name"),
    )


def _create_catalog_info() -> None:
    op.create_table(
        "catalog_info",
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("uid", name="pk_catalog_info"),
    )


def _create_code() -> None:
    op.create_table(
        "code",
        sa.Column("id", ROW_ID, sa.Identity(always=False), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("qualname", sa.Text(), nullable=False),
        sa.Column("source_digest", sa.Text(), nullable=False),
        sa.Column("git_commit", sa.Text(), nullable=False),
        sa.Column("git_dirty", sa.Boolean(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_code"),
        sa.UniqueConstraint("digest", name="uq_code_digest"),
    )


def _create_content() -> None:
    op.create_table(
        "content",
        sa.Column("id", ROW_ID, sa.Identity(always=False), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("members", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('file', 'folder')", name=op.f("ck_content_kind")),
        sa.PrimaryKeyConstraint("id", name="pk_content"),
        sa.UniqueConstraint("digest", "kind", name="uq_content_digest_kind"),
    )


def _create_environment() -> None:
    op.create_table(
        "environment",
        sa.Column("id", ROW_ID, sa.Identity(always=False), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("python", sa.Text(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("image", sa.Text(), nullable=False),
        sa.Column("packages", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_environment"),
        sa.UniqueConstraint("digest", name="uq_environment_digest"),
    )


def _create_task() -> None:
    op.create_table(
        "task",
        sa.Column("id", ROW_ID, sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_task"),
        sa.UniqueConstraint("name", name="uq_task_name"),
    )


def _create_artifact() -> None:
    op.create_table(
        "artifact",
        sa.Column("id", ROW_ID, sa.Identity(always=False), nullable=False),
        sa.Column("type_id", ROW_ID, nullable=False),
        sa.Column("key_digest", sa.LargeBinary(), nullable=False),
        sa.Column("key_text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["type_id"], ["artifact_type.id"], name="fk_artifact_type_id_artifact_type"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_artifact"),
        sa.UniqueConstraint("type_id", "key_digest", name="uq_artifact_type_id_key_digest"),
    )


def _create_artifact_type_rev() -> None:
    op.create_table(
        "artifact_type_rev",
        sa.Column("type_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("rev", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("registry", sa.Text(), nullable=False),
        sa.Column("arguments", JSON, nullable=False),
        sa.Column("uri_template", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("definition", JSON, nullable=False),
        sa.Column("declared_at", TIME, nullable=False),
        sa.CheckConstraint("kind IN ('file', 'folder')", name=op.f("ck_artifact_type_rev_kind")),
        sa.ForeignKeyConstraint(
            ["type_id"], ["artifact_type.id"], name="fk_artifact_type_rev_type_id_artifact_type"
        ),
        sa.PrimaryKeyConstraint("type_id", "rev", name="pk_artifact_type_rev"),
        sa.UniqueConstraint("type_id", "digest", name="uq_artifact_type_rev_type_id_digest"),
        sqlite_with_rowid=False,
    )


def _create_run() -> None:
    op.create_table(
        "run",
        sa.Column("id", ROW_ID, sa.Identity(always=False), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("task_id", ROW_ID, nullable=True),
        sa.Column("celery_task_id", sa.Text(), nullable=False),
        sa.Column("root_id", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text(), nullable=False),
        sa.Column("group_id", sa.Text(), nullable=False),
        sa.Column("parent_run", sa.Text(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("redelivered", sa.Boolean(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("arguments", JSON, nullable=False),
        sa.Column("arguments_digest", sa.Text(), nullable=True),
        sa.Column("code_id", ROW_ID, nullable=True),
        sa.Column("environment_id", ROW_ID, nullable=True),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("stage_in_ms", sa.BigInteger(), nullable=False),
        sa.Column("body_ms", sa.BigInteger(), nullable=False),
        sa.Column("stage_out_ms", sa.BigInteger(), nullable=False),
        sa.Column("downloaded_bytes", sa.BigInteger(), nullable=False),
        sa.Column("uploaded_bytes", sa.BigInteger(), nullable=False),
        sa.Column("reuse_key", sa.Text(), nullable=True),
        sa.Column("reused_run", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('task', 'session', 'pull', 'push', '')", name=op.f("ck_run_kind")
        ),
        sa.CheckConstraint(
            "state IN ('running', 'succeeded', 'reused', 'failed', 'retried', 'skipped', 'lost')",
            name=op.f("ck_run_state"),
        ),
        sa.ForeignKeyConstraint(["code_id"], ["code.id"], name="fk_run_code_id_code"),
        sa.ForeignKeyConstraint(
            ["environment_id"], ["environment.id"], name="fk_run_environment_id_environment"
        ),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name="fk_run_task_id_task"),
        sa.PrimaryKeyConstraint("id", name="pk_run"),
        sa.UniqueConstraint("uid", name="uq_run_uid"),
    )
    op.create_index(
        "ix_run_reuse_key",
        "run",
        ["reuse_key"],
        unique=False,
        sqlite_where=sa.text("reuse_key IS NOT NULL"),
        postgresql_where=sa.text("reuse_key IS NOT NULL"),
    )
    op.create_index("ix_run_started_at", "run", ["started_at"], unique=False)
    op.create_index("ix_run_state_started_at", "run", ["state", "started_at"], unique=False)
    op.create_index("ix_run_task_id_started_at", "run", ["task_id", "started_at"], unique=False)


def _create_artifact_key() -> None:
    op.create_table(
        "artifact_key",
        sa.Column("artifact_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("type_id", ROW_ID, nullable=False),
        sa.Column("v_text", sa.Text(), nullable=True),
        sa.Column("v_int", sa.BigInteger(), nullable=True),
        sa.Column("v_real", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["artifact_id"], ["artifact.id"], name="fk_artifact_key_artifact_id_artifact"
        ),
        sa.ForeignKeyConstraint(
            ["type_id"], ["artifact_type.id"], name="fk_artifact_key_type_id_artifact_type"
        ),
        sa.PrimaryKeyConstraint("artifact_id", "field", name="pk_artifact_key"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_artifact_key_type_id_field_v_int_artifact_id",
        "artifact_key",
        ["type_id", "field", "v_int", "artifact_id"],
        unique=False,
    )
    op.create_index(
        "ix_artifact_key_type_id_field_v_real_artifact_id",
        "artifact_key",
        ["type_id", "field", "v_real", "artifact_id"],
        unique=False,
    )
    op.create_index(
        "ix_artifact_key_type_id_field_v_text_artifact_id",
        "artifact_key",
        ["type_id", "field", "v_text", "artifact_id"],
        unique=False,
    )


def _create_run_error() -> None:
    op.create_table(
        "run_error",
        sa.Column("run_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("traceback", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("transient", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_error_run_id_run"),
        sa.PrimaryKeyConstraint("run_id", name="pk_run_error"),
    )


def _create_version() -> None:
    op.create_table(
        "version",
        sa.Column("id", ROW_ID, sa.Identity(always=False), nullable=False),
        sa.Column("uid", sa.Text(), nullable=False),
        sa.Column("artifact_id", ROW_ID, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("content_id", ROW_ID, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("run_id", ROW_ID, nullable=True),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("schema_fingerprint", sa.Text(), nullable=True),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.CheckConstraint("origin IN ('run', 'observed')", name=op.f("ck_version_origin")),
        sa.ForeignKeyConstraint(
            ["artifact_id"], ["artifact.id"], name="fk_version_artifact_id_artifact"
        ),
        sa.ForeignKeyConstraint(
            ["content_id"], ["content.id"], name="fk_version_content_id_content"
        ),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_version_run_id_run"),
        sa.PrimaryKeyConstraint("id", name="pk_version"),
        sa.UniqueConstraint("artifact_id", "seq", name="uq_version_artifact_id_seq"),
        sa.UniqueConstraint("uid", name="uq_version_uid"),
    )
    op.create_index("ix_version_recorded_at", "version", ["recorded_at"], unique=False)
    op.create_index("ix_version_run_id", "version", ["run_id"], unique=False)


def _create_artifact_head() -> None:
    op.create_table(
        "artifact_head",
        sa.Column("artifact_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("version_id", ROW_ID, nullable=True),
        sa.Column("recorded_at", TIME, nullable=True),
        sa.Column("last_seq", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["artifact_id"], ["artifact.id"], name="fk_artifact_head_artifact_id_artifact"
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name="fk_artifact_head_version_id_version"
        ),
        sa.PrimaryKeyConstraint("artifact_id", name="pk_artifact_head"),
    )


def _create_location() -> None:
    op.create_table(
        "location",
        sa.Column("version_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("uri_digest", sa.LargeBinary(), nullable=False),
        sa.Column("pin_size", sa.BigInteger(), nullable=False),
        sa.Column("pin_etag", sa.Text(), nullable=False),
        sa.Column("pin_version", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('present', 'superseded')", name=op.f("ck_location_state")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name="fk_location_version_id_version"
        ),
        sa.PrimaryKeyConstraint("version_id", name="pk_location"),
    )
    op.create_index("ix_location_uri_digest", "location", ["uri_digest"], unique=False)


def _create_run_input() -> None:
    op.create_table(
        "run_input",
        sa.Column("run_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("argument", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version_id", ROW_ID, nullable=True),
        sa.Column("cache", sa.Text(), nullable=False),
        sa.Column("transferred_bytes", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("cache IN ('hit', 'miss', 'none')", name=op.f("ck_run_input_cache")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_input_run_id_run"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name="fk_run_input_version_id_version"
        ),
        sa.PrimaryKeyConstraint("run_id", "argument", "ordinal", name="pk_run_input"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_run_input_version_id_run_id", "run_input", ["version_id", "run_id"], unique=False
    )


def _create_run_output() -> None:
    op.create_table(
        "run_output",
        sa.Column("run_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("argument", sa.Text(), nullable=False),
        sa.Column("ordinal", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version_id", ROW_ID, nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("transferred_bytes", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("mode IN ('created', 'reused')", name=op.f("ck_run_output_mode")),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name="fk_run_output_run_id_run"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["version.id"], name="fk_run_output_version_id_version"
        ),
        sa.PrimaryKeyConstraint("run_id", "argument", "ordinal", name="pk_run_output"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_run_output_version_id_run_id", "run_output", ["version_id", "run_id"], unique=False
    )
