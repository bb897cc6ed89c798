"""Modules and kept originals name the data key that opens them.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("deposit_modules", sa.Column("key_id", sa.String(length=255), nullable=True))
    op.add_column("model_versions", sa.Column("key_id", sa.String(length=255), nullable=True))


def downgrade() -> None:
    op.drop_column("model_versions", "key_id")
    op.drop_column("deposit_modules", "key_id")
