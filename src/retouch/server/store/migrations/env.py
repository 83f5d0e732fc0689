"""What Alembic runs to bring a database up to date: on the connection it is given, or on the address of its option."""

from alembic import context
from sqlalchemy import Connection, create_engine

from retouch.server.store import work_tables
from retouch.server.store.tables import Table


def migrate(connection: Connection) -> None:
    """Run what was asked for in one transaction."""
    assert work_tables.Job.metadata is Table.metadata
    context.configure(connection=connection, target_metadata=Table.metadata, compare_type=True, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    with create_engine(context.config.get_main_option("sqlalchemy.url") or "").connect() as opened:
        migrate(opened)
