"""Data keys and the vault's state.

Revision: k001, after none.
"""

import sqlalchemy as sa
from alembic import op

revision = "k001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "data_keys",
        sa.Column("id", sa.String(length=255), nullable=False),
        sa.Column("kek_id", sa.String(length=255), nullable=False),
        sa.Column("kek_check", sa.String(length=16), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("destroyed_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_keys")),
    )
    with op.batch_alter_table("data_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_data_keys_kek_id"), ["kek_id"], unique=False)
    state = op.create_table(
        "vault_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kek_id", sa.String(length=255), nullable=True),
        sa.Column("sealed_at", sa.Double(), nullable=True),
        sa.Column("sealed_by", sa.String(length=255), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vault_state")),
    )
    op.bulk_insert(state, [{"id": 1}])


def downgrade() -> None:
    op.drop_table("vault_state")
    with op.batch_alter_table("data_keys", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_data_keys_kek_id"))
    op.drop_table("data_keys")
