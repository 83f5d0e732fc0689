"""The tables come up from nothing, agree with the models, and come up once however many ask."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import inspect, text

from retouch.core.errors import ServerError
from retouch.server.store import work_tables
from retouch.server.store.database import Database, migrations, open_database
from retouch.server.store.tables import LOCAL_OWNER, Table


def test_the_migrations_make_what_the_models_say(empty_address: str) -> None:
    database = open_database(empty_address)
    with database.engine.connect() as connection:
        command.check(migrations(connection))
    names = set(inspect(database.engine).get_table_names())
    assert names == {*Table.metadata.tables, "alembic_version"} and work_tables.Job.__tablename__ in names
    database.close()


def test_down_and_up_again(empty_address: str) -> None:
    database = open_database(empty_address)
    with database.engine.begin() as connection:
        command.downgrade(migrations(connection), "base")
    assert inspect(database.engine).get_table_names() == ["alembic_version"]
    database.close()
    again = open_database(empty_address)
    with again.read() as session:
        assert session.execute(text("SELECT id FROM users")).scalars().all() == [LOCAL_OWNER]
    again.close()


def test_many_open_at_once(empty_address: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        for database in pool.map(open_database, [empty_address] * 6):
            database.close()


def test_a_database_of_a_newer_version_is_refused_with_a_sentence(database: Database) -> None:
    database.write(lambda session: session.execute(text("UPDATE alembic_version SET version_num = 'later'")))
    with pytest.raises(ServerError, match="newer"):
        open_database(database.engine.url.render_as_string(hide_password=False))


@pytest.mark.parametrize("url", ["", "what", "mysql://a/b", "sqlite://", "sqlite:///:memory:"])
def test_an_address_of_no_database_we_use(url: str) -> None:
    with pytest.raises(ServerError, match="sqlite:///FILE or postgresql"):
        open_database(url)


def test_a_database_that_cannot_be_reached_keeps_its_password() -> None:
    with pytest.raises(ServerError) as caught:
        open_database("postgresql://me:secret@127.0.0.1:9/there")
    assert "secret" not in str(caught.value) and "127.0.0.1" in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("milk, eggs" * 1000)
    with pytest.raises(ServerError, match=r"notes\.db"):
        open_database(f"sqlite:///{tmp_path}/notes.db")
    with pytest.raises(ServerError, match="missing"):
        open_database(f"sqlite:///{tmp_path}/missing/retouch.db")
