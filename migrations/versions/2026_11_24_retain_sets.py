"""Deposits remember which kept images they used.

Revision: 0002, after 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deposits", sa.Column("retain_selector", sa.JSON(), nullable=True))
    op.add_column("deposits", sa.Column("retain_size", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("deposits", "retain_size")
    op.drop_column("deposits", "retain_selector")
