"""Applies the migrations on the connection it is given.

The connection comes from :func:`eicpy.operations.open_database`, which holds the migration lock and
the transaction. How a maintainer writes a new version: ``docs/decisions/0009-ledger.md``.
"""

from alembic import context
from sqlalchemy import Connection

from eicpy.operations.models import Base


def run(connection: Connection) -> None:
    """Apply the migrations that are asked for."""
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        compare_type=True,
        render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters a table by copying it
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # alembic's name for it: only then is there a connection
    run(context.config.attributes["connection"])
