"""Deposits can be audited: a kind of job, and what it found.

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _know("kind IN ('train', 'deposit', 'audit')")
    op.add_column("deposits", sa.Column("audits", sa.JSON(), nullable=False, server_default="[]"))


def downgrade() -> None:
    op.drop_column("deposits", "audits")
    op.execute("DELETE FROM jobs WHERE kind = 'audit'")
    _know("kind IN ('train', 'deposit')")


def _know(kinds: str) -> None:
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_jobs_kind_known"), type_="check")
        batch_op.create_check_constraint(op.f("ck_jobs_kind_known"), kinds)
