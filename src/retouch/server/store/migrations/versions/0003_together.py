"""Which edits can be made in one batch, whoever asked for them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column; what waits already is made apart."""
    op.add_column("jobs", sa.Column("together_key", sa.String(64), nullable=False, server_default=""))


def downgrade() -> None:
    """Remove the column."""
    with op.batch_alter_table("jobs") as table:
        table.drop_column("together_key")
