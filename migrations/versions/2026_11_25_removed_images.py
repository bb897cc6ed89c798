"""The images of a deposit set leave their data set when the deposit is sealed.

Revision: 0007, after 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("datasets", sa.Column("removed", sa.Integer(), nullable=False, server_default="0"))
    with op.batch_alter_table("deposits", schema=None) as batch_op:
        batch_op.add_column(sa.Column("images_removed_at", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("images_digest", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("images_key_id", sa.String(length=255), nullable=True))
        batch_op.create_foreign_key(
            batch_op.f("fk_deposits_images_digest_artifacts"), "artifacts", ["images_digest"], ["digest"]
        )
        batch_op.create_index(batch_op.f("ix_deposits_images_digest"), ["images_digest"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("deposits", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_deposits_images_digest"))
        batch_op.drop_constraint(batch_op.f("fk_deposits_images_digest_artifacts"), type_="foreignkey")
        batch_op.drop_column("images_key_id")
        batch_op.drop_column("images_digest")
        batch_op.drop_column("images_removed_at")
    op.drop_column("datasets", "removed")
