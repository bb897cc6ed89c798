"""Deposits have a salt, by which a certificate commits to their set without naming it.

Revision: 0005, after 0004
"""

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SALT_BYTES = 32


def upgrade() -> None:
    op.add_column("deposits", sa.Column("salt", sa.String(length=64), nullable=True))
    deposits = sa.table("deposits", sa.column("id", sa.String), sa.column("salt", sa.String))
    connection = op.get_bind()
    for (deposit,) in connection.execute(sa.select(deposits.c.id)).all():
        salted = sa.update(deposits).where(deposits.c.id == deposit)
        connection.execute(salted.values(salt=secrets.token_hex(SALT_BYTES)))
    with op.batch_alter_table("deposits", schema=None) as batch_op:
        batch_op.alter_column("salt", existing_type=sa.String(length=64), nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("deposits", schema=None) as batch_op:
        batch_op.drop_column("salt")
