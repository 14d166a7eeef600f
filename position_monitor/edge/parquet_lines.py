"""A Parquet file as the lines that it would have as CSV, so that both are read and checked by the same code.

pyarrow is the extra `parquet`, imported here and nowhere else. The daemon never comes here.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from position_monitor.errors import BadInput

SUFFIX = ".parquet"
ROWS_AT_ONCE = 10_000


def parquet_lines(path: Path) -> Iterator[tuple[list[bytes], int]]:
    """First the line of the column names, then blocks of lines; with each how many bytes of the file that stands for.

    Raises `BadInput` for a file that is none, and where pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowException, csv, parquet
    except ImportError:
        raise BadInput(
            f"{path}: Parquet needs pyarrow (the extra parquet), which is not installed: pip install pyarrow, "
            "or turn the file into CSV"
        ) from None
    options = csv.WriteOptions(include_header=False, quoting_style="none")
    try:
        size, rows = path.stat().st_size, 0
        with parquet.ParquetFile(path) as file:
            yield [",".join(file.schema_arrow.names).encode()], 0
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE):
                text = io.BytesIO()
                csv.write_csv(batch, text, options)
                rows += batch.num_rows
                yield text.getvalue().splitlines(keepends=True), size * rows // file.metadata.num_rows
    except ArrowException as fault:
        raise BadInput(f"{path}: is no Parquet file that can be read: {fault}") from None
