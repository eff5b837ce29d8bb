"""What labels depend on, hashed column by column, is what is hashed row by row."""

import numpy as np
import pyarrow as pa
import pytest

from dataset_builder.labeling.contents import BURST_FACTS, FRAME_FACTS, hash_content, hash_contents
from manifests.matching import BurstTables
from manifests.schema import BURSTS, FRAMES

NUMBERS = [
    0.0, -0.0, 1.0, -1.0, 64.0, 1e-4, 9.999e-5, 1e-5, -1e-5, 1.5e-5, 1e-6, 1.25e-6, 9.9e-7, 1e-7, -3.25e-7, 1.5e-12, 5e-324, 1 / 3,
    123456.789, 999999999.5, 1e9, 12573022109.339329, 1e15, 1e16, 1e17, 1e22, 0.1, 0.30000000000000004, 2.5e-8,
]  # fmt: skip


def make_tables(random, count=30, length=3):
    def draw(size):
        drawn = np.where(random.random(size) < 0.5, random.choice(NUMBERS, size), random.normal(size=size))
        return drawn * 10.0 ** random.integers(-9, 10, size)

    def hide(values):
        return [None if random.random() < 0.3 else value for value in values]

    texts = {
        "domain": "srgb", "cfa": "RGGB", "ground_truth_sha256": "0f" * 32, "sha256": "ab" * 32, "mask_sha256": "cd" * 32,
        "outlier": "blocked",
    }  # fmt: skip

    def make(kind, names, rows):
        columns = {}
        for name in names:
            field = kind.schema.field(name)
            if pa.types.is_fixed_size_list(field.type):
                values = draw((rows, field.type.list_size)).tolist()
            elif pa.types.is_string(field.type):
                values = [texts[name]] * rows
            elif pa.types.is_integer(field.type):
                values = random.integers(0, 9, rows).tolist()
            else:
                values = draw(rows).tolist()
            columns[name] = pa.array(hide(values) if field.nullable else values, field.type)
        return pa.table(columns)

    starts = np.arange(count + 1) * length
    return BurstTables(make(BURSTS, BURST_FACTS, count), make(FRAMES, FRAME_FACTS, count * length), starts)


@pytest.mark.parametrize("seed", range(5))
def test_columns_hash_as_rows_do(seed):
    tables = make_tables(np.random.default_rng(seed))
    frames = tables.frames.to_pylist()
    expected = [
        hash_content(burst, frames[3 * place : 3 * place + 3]) for place, burst in enumerate(tables.bursts.to_pylist())
    ]
    assert hash_contents(tables) == expected


def test_numbers_are_written_as_python_writes_them():
    frames = pa.table({name: pa.nulls(len(NUMBERS), FRAMES.schema.field(name).type) for name in FRAME_FACTS})
    frames = frames.set_column(FRAME_FACTS.index("timestamp"), "timestamp", pa.array(NUMBERS))
    burst = dict.fromkeys(BURST_FACTS)
    bursts = pa.Table.from_pylist([burst], schema=pa.schema([BURSTS.schema.field(name) for name in BURST_FACTS]))
    tables = BurstTables(bursts, frames, np.array([0, len(NUMBERS)]))
    assert hash_contents(tables) == [hash_content(burst, frames.to_pylist())]
