"""Tables are read part by part, so that a file may be larger than memory."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from retouch.records.layouts.tables import open_tables

MEGABYTE = 2**20


def test_no_more_than_a_part_of_a_file_is_held(tmp_path: Path) -> None:
    schema = pa.schema([("picture", pa.binary())])
    with pq.ParquetWriter(tmp_path / "train-0.parquet", schema, use_dictionary=False) as file:
        for _ in range(20):
            rows = [{"picture": os.urandom(MEGABYTE // 4)} for _ in range(4)]
            file.write_table(pa.Table.from_pylist(rows, schema=schema))
    (table,) = open_tables(str(tmp_path))
    before, held, count = pa.total_allocated_bytes(), [], 0
    for _ in table.rows(("picture",)):
        held.append(pa.total_allocated_bytes() - before)
        count += 1
    assert (count, table.split, table.columns) == (80, "train", ("picture",))
    assert max(held) < 5 * MEGABYTE
