"""Write the server's OpenAPI, from which the page's types are made: `python -m retouch.server.openapi [FILE]`."""

import json
import sys
import tempfile
from pathlib import Path

from retouch.core.files import atomic_write
from retouch.server.app import create_app
from retouch.server.blobs import open_blobs
from retouch.server.context import Context
from retouch.server.store.database import open_database

DEFAULT = Path("web/openapi.json")


def openapi_text() -> str:
    """The OpenAPI as JSON, the same each time."""
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/empty.db")
        schema = create_app(Context(database=database, blobs=open_blobs(folder))).openapi()
        database.close()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the file."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    atomic_write(path, openapi_text().encode())
    print(f"Wrote {path}")


if __name__ == "__main__":
    main()
