"""The next expiry of a grant is found without reading every grant.

Revision: 0009, after 0008
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(op.f("ix_grants_expires_at"), "grants", ["expires_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_grants_expires_at"), table_name="grants")
