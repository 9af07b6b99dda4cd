from __future__ import annotations

import numpy as np
import pyarrow as pa

from penstock.operations import col
from penstock.transforms import apply, freeze


def test_rows_keep_their_order_behind_a_long_vocabulary_and_many_row_groups() -> None:
    count = 400_000
    words = pa.array([f"w{number}" for number in np.random.default_rng(0).integers(0, 500, count)])
    table = pa.concat_tables(
        pa.table({"place": np.arange(start, start + 100_000), "word": words.slice(start, 100_000)})
        for start in range(0, count, 100_000)
    )
    exprs = freeze({"place": col("place"), "index": col("word").label_encoder(), "again": col("word")}, table)
    for _ in range(3):
        made = apply(exprs, table)
        assert made["place"].to_numpy().tolist() == list(range(count))
        assert made["again"].combine_chunks().equals(table["word"].combine_chunks())
