"""The tables of the internal database brought to the newest version, with alembic."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine

from eicpy.errors import FailedError
from eicpy.operations.words import shown_address

__all__ = ["migrate", "migration_config"]

_log = logging.getLogger(__name__)


def migration_config() -> Config:
    """Alembic's configuration for the migrations that ship with the package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("file_template", "r%%(rev)s_%%(slug)s")
    return config


def migrate(engine: Engine) -> None:
    """Bring the tables of a database to the newest version; the caller holds its lock.

    Raises
    ------
    FailedError
        If they are at a version that is not known, or cannot be changed.
    """
    config = migration_config()
    head = ScriptDirectory.from_config(config).get_current_head()
    with engine.execution_options(eic_writes=True).begin() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
        if current == head:
            return
        _log.info("bringing the tables of %s from version %s to %s", shown_address(engine.url), current, head)
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise FailedError(
                f"{shown_address(engine.url)}: its tables are at version {current}, unknown to this eicpy "
                f"(newest it knows: {head}); update eicpy, or use another EIC_HOME"
            ) from error
