"""First tables.

Revision: 0001, after none.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "artifacts",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_artifacts")),
    )
    op.create_table(
        "principals",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("role IN ('admin', 'owner', 'member')", name=op.f("ck_principals_role_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_principals")),
        sa.UniqueConstraint("name", name=op.f("uq_principals_name")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("principal_id", sa.String(length=255), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name=op.f("fk_api_keys_principal_id_principals")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_keys_principal_id"), ["principal_id"], unique=False)

    op.create_table(
        "artifact_chunks",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["digest"],
            ["artifacts.digest"],
            name=op.f("fk_artifact_chunks_digest_artifacts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("digest", "seq", name=op.f("pk_artifact_chunks")),
    )
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(length=255), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("image_shape", sa.JSON(), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("pixels_digest", sa.String(length=64), nullable=False),
        sa.Column("index_digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["index_digest"], ["artifacts.digest"], name=op.f("fk_datasets_index_digest_artifacts")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["principals.id"], name=op.f("fk_datasets_owner_id_principals")
        ),
        sa.ForeignKeyConstraint(
            ["pixels_digest"], ["artifacts.digest"], name=op.f("fk_datasets_pixels_digest_artifacts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("name", name=op.f("uq_datasets_name")),
    )
    with op.batch_alter_table("datasets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_datasets_index_digest"), ["index_digest"], unique=False)
        batch_op.create_index(batch_op.f("ix_datasets_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_datasets_pixels_digest"), ["pixels_digest"], unique=False)

    op.create_table(
        "idempotency_records",
        sa.Column("principal_id", sa.String(length=255), nullable=False),
        sa.Column("route", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name=op.f("fk_idempotency_records_principal_id_principals")
        ),
        sa.PrimaryKeyConstraint("principal_id", "route", "key", name=op.f("pk_idempotency_records")),
    )
    op.create_table(
        "models",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("architecture", sa.String(length=255), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=False),
        sa.Column("input_spec", sa.JSON(), nullable=False),
        sa.Column("split", sa.Integer(), nullable=False),
        sa.Column("current", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["owner_id"], ["principals.id"], name=op.f("fk_models_owner_id_principals")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("name", name=op.f("uq_models_name")),
    )
    with op.batch_alter_table("models", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_models_owner_id"), ["owner_id"], unique=False)

    op.create_table(
        "jobs",
        sa.Column("seq", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=False),
        sa.Column("state", sa.String(length=255), nullable=False),
        sa.Column("model_id", sa.String(length=255), nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("rung_at", sa.Double(), nullable=False),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("error", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.CheckConstraint("kind IN ('train', 'deposit')", name=op.f("ck_jobs_kind_known")),
        sa.CheckConstraint(
            "state IN ('QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED')",
            name=op.f("ck_jobs_state_known"),
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_jobs_model_id_models")),
        sa.ForeignKeyConstraint(["owner_id"], ["principals.id"], name=op.f("fk_jobs_owner_id_principals")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_jobs")),
        sa.UniqueConstraint("id", name=op.f("uq_jobs_id")),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index("ix_jobs_state_model", ["state", "model_id"], unique=False)

    op.create_table(
        "model_versions",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("model_id", sa.String(length=255), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("base", sa.Integer(), nullable=True),
        sa.Column("shallow_digest", sa.String(length=64), nullable=True),
        sa.Column("deep_digest", sa.String(length=64), nullable=False),
        sa.Column("head_digest", sa.String(length=64), nullable=True),
        sa.Column("sealed_classes", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deep_digest"], ["artifacts.digest"], name=op.f("fk_model_versions_deep_digest_artifacts")
        ),
        sa.ForeignKeyConstraint(
            ["head_digest"], ["artifacts.digest"], name=op.f("fk_model_versions_head_digest_artifacts")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_model_versions_model_id_models")),
        sa.ForeignKeyConstraint(
            ["shallow_digest"], ["artifacts.digest"], name=op.f("fk_model_versions_shallow_digest_artifacts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_versions")),
        sa.UniqueConstraint("model_id", "number", name=op.f("uq_model_versions_model_id_number")),
    )
    with op.batch_alter_table("model_versions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_model_versions_deep_digest"), ["deep_digest"], unique=False)
        batch_op.create_index(batch_op.f("ix_model_versions_head_digest"), ["head_digest"], unique=False)
        batch_op.create_index(batch_op.f("ix_model_versions_model_id"), ["model_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_model_versions_shallow_digest"), ["shallow_digest"], unique=False
        )

    op.create_table(
        "withdrawals",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("model_id", sa.String(length=255), nullable=False),
        sa.Column("principal_id", sa.String(length=255), nullable=True),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["principals.id"], name=op.f("fk_withdrawals_created_by_principals")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_withdrawals_model_id_models")),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name=op.f("fk_withdrawals_principal_id_principals")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withdrawals")),
    )
    with op.batch_alter_table("withdrawals", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_withdrawals_created_by"), ["created_by"], unique=False)
        batch_op.create_index(batch_op.f("ix_withdrawals_model_id"), ["model_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_withdrawals_principal_id"), ["principal_id"], unique=False)

    op.create_table(
        "deposits",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("model_id", sa.String(length=255), nullable=False),
        sa.Column("owner_id", sa.String(length=255), nullable=False),
        sa.Column("job_id", sa.String(length=255), nullable=False),
        sa.Column("dataset_id", sa.String(length=255), nullable=False),
        sa.Column("selector", sa.JSON(), nullable=False),
        sa.Column("set_digest", sa.String(length=64), nullable=False),
        sa.Column("set_size", sa.Integer(), nullable=False),
        sa.Column("classes", sa.JSON(), nullable=True),
        sa.Column("state", sa.String(length=255), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("evaluate_on_id", sa.String(length=255), nullable=True),
        sa.Column("base_version", sa.Integer(), nullable=True),
        sa.Column("target_version", sa.Integer(), nullable=True),
        sa.Column("metrics", sa.JSON(), nullable=True),
        sa.Column("curves", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("sealed_at", sa.Double(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'training', 'sealed', 'erased', 'failed', 'cancelled')",
            name=op.f("ck_deposits_state_known"),
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name=op.f("fk_deposits_dataset_id_datasets")
        ),
        sa.ForeignKeyConstraint(
            ["evaluate_on_id"], ["datasets.id"], name=op.f("fk_deposits_evaluate_on_id_datasets")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_deposits_job_id_jobs")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_deposits_model_id_models")),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["principals.id"], name=op.f("fk_deposits_owner_id_principals")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deposits")),
    )
    with op.batch_alter_table("deposits", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deposits_dataset_id"), ["dataset_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deposits_job_id"), ["job_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deposits_model_id"), ["model_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deposits_owner_id"), ["owner_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deposits_set_digest"), ["set_digest"], unique=False)

    op.create_table(
        "deposit_modules",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("deposit_id", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deposit_id"], ["deposits.id"], name=op.f("fk_deposit_modules_deposit_id_deposits")
        ),
        sa.ForeignKeyConstraint(
            ["digest"], ["artifacts.digest"], name=op.f("fk_deposit_modules_digest_artifacts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deposit_modules")),
        sa.UniqueConstraint("deposit_id", "version", name=op.f("uq_deposit_modules_deposit_id_version")),
    )
    with op.batch_alter_table("deposit_modules", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deposit_modules_deposit_id"), ["deposit_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_deposit_modules_digest"), ["digest"], unique=False)

    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("principal_id", sa.String(length=255), nullable=False),
        sa.Column("deposit_id", sa.String(length=255), nullable=True),
        sa.Column("model_id", sa.String(length=255), nullable=True),
        sa.Column("granted_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.CheckConstraint("(deposit_id IS NULL) <> (model_id IS NULL)", name=op.f("ck_grants_one_object")),
        sa.ForeignKeyConstraint(["deposit_id"], ["deposits.id"], name=op.f("fk_grants_deposit_id_deposits")),
        sa.ForeignKeyConstraint(
            ["granted_by"], ["principals.id"], name=op.f("fk_grants_granted_by_principals")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_grants_model_id_models")),
        sa.ForeignKeyConstraint(
            ["principal_id"], ["principals.id"], name=op.f("fk_grants_principal_id_principals")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
    )
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_grants_deposit_id"), ["deposit_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_grants_model_id"), ["model_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_grants_principal_id"), ["principal_id"], unique=False)

    op.create_table(
        "withdrawal_deposits",
        sa.Column("withdrawal_id", sa.String(length=255), nullable=False),
        sa.Column("deposit_id", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["deposit_id"], ["deposits.id"], name=op.f("fk_withdrawal_deposits_deposit_id_deposits")
        ),
        sa.ForeignKeyConstraint(
            ["withdrawal_id"],
            ["withdrawals.id"],
            name=op.f("fk_withdrawal_deposits_withdrawal_id_withdrawals"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("withdrawal_id", "deposit_id", name=op.f("pk_withdrawal_deposits")),
    )
    with op.batch_alter_table("withdrawal_deposits", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_withdrawal_deposits_deposit_id"), ["deposit_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("withdrawal_deposits", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_withdrawal_deposits_deposit_id"))

    op.drop_table("withdrawal_deposits")
    with op.batch_alter_table("grants", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_grants_principal_id"))
        batch_op.drop_index(batch_op.f("ix_grants_model_id"))
        batch_op.drop_index(batch_op.f("ix_grants_deposit_id"))

    op.drop_table("grants")
    with op.batch_alter_table("deposit_modules", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deposit_modules_digest"))
        batch_op.drop_index(batch_op.f("ix_deposit_modules_deposit_id"))

    op.drop_table("deposit_modules")
    with op.batch_alter_table("deposits", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deposits_set_digest"))
        batch_op.drop_index(batch_op.f("ix_deposits_owner_id"))
        batch_op.drop_index(batch_op.f("ix_deposits_model_id"))
        batch_op.drop_index(batch_op.f("ix_deposits_job_id"))
        batch_op.drop_index(batch_op.f("ix_deposits_dataset_id"))

    op.drop_table("deposits")
    with op.batch_alter_table("withdrawals", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_withdrawals_principal_id"))
        batch_op.drop_index(batch_op.f("ix_withdrawals_model_id"))
        batch_op.drop_index(batch_op.f("ix_withdrawals_created_by"))

    op.drop_table("withdrawals")
    with op.batch_alter_table("model_versions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_model_versions_shallow_digest"))
        batch_op.drop_index(batch_op.f("ix_model_versions_model_id"))
        batch_op.drop_index(batch_op.f("ix_model_versions_head_digest"))
        batch_op.drop_index(batch_op.f("ix_model_versions_deep_digest"))

    op.drop_table("model_versions")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index("ix_jobs_state_model")

    op.drop_table("jobs")
    with op.batch_alter_table("models", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_models_owner_id"))

    op.drop_table("models")
    op.drop_table("idempotency_records")
    with op.batch_alter_table("datasets", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_datasets_pixels_digest"))
        batch_op.drop_index(batch_op.f("ix_datasets_owner_id"))
        batch_op.drop_index(batch_op.f("ix_datasets_index_digest"))

    op.drop_table("datasets")
    op.drop_table("artifact_chunks")
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_api_keys_principal_id"))

    op.drop_table("api_keys")
    op.drop_table("principals")
    op.drop_table("artifacts")
