"""Deposits are disabled for a while before they are erased.

Revision: 0006, after 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BEFORE = ("queued", "training", "sealed", "erased", "failed", "cancelled")
AFTER = ("queued", "training", "sealed", "disabled", "erased", "failed", "cancelled")


def upgrade() -> None:
    _know(AFTER)
    op.add_column("deposits", sa.Column("erase_at", sa.Double(), nullable=True))


def downgrade() -> None:
    op.drop_column("deposits", "erase_at")
    op.execute("UPDATE deposits SET state = 'sealed' WHERE state = 'disabled'")
    _know(BEFORE)


def _know(states: tuple[str, ...]) -> None:
    allowed = ", ".join(f"'{state}'" for state in states)
    with op.batch_alter_table("deposits", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_deposits_state_known"), type_="check")
        batch_op.create_check_constraint(op.f("ck_deposits_state_known"), f"state IN ({allowed})")
