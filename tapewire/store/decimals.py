"""Mantissas and exponents to decimals, exactly: 6400010 at -2 is 64000.10, and never passes through a float."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from tapewire.errors import StoreError
from tapewire.store.schema import Kind

DIGITS: Final = 38  # of a decimal128
MANTISSA_DIGITS: Final = 19  # of an int64
SHIFT_MAX: Final = 17  # so that mantissa and power together fit the 38 digits of a decimal128


def with_decimals(table: pa.Table, kind: Kind) -> pa.Table:
    """`table` with its prices and quantities as decimals of one scale per column, and without the exponents.

    Raises StoreError where exponents of one column are more than 17 apart: ask for mantissas then.
    """
    for names, exponent in ((kind.prices, "price_exponent"), (kind.quantities, "qty_exponent")):
        if not names:
            continue
        exponents = table[exponent]
        for name in names:
            place = table.schema.get_field_index(name)
            table = table.set_column(place, name, scaled(table[name], exponents))
        table = table.drop_columns([exponent])
    return table


def scaled(mantissas: pa.ChunkedArray, exponents: pa.ChunkedArray) -> pa.ChunkedArray:
    """mantissa x 10^exponent, row by row, as decimals whose scale is that of the finest exponent."""
    there = sorted(pc.unique(exponents).to_pylist()) or [0]
    scale = max(0, -there[0])
    if scale > DIGITS or there[-1] + scale > SHIFT_MAX:
        raise StoreError(
            f"exponents {there}: no decimal of 38 digits holds them all exactly. Ask for the mantissas (raw) instead."
        )
    numbers = mantissas.cast(pa.decimal128(MANTISSA_DIGITS, 0))
    if there != [-scale]:
        numbers = pc.multiply(numbers, _powers(exponents, there, scale))
    unscaled = numbers.cast(pa.decimal128(DIGITS, 0))
    shown = pa.decimal128(DIGITS, scale)
    return pa.chunked_array([chunk.view(shown) for chunk in unscaled.chunks], shown)


def _powers(exponents: pa.ChunkedArray, there: list[int], scale: int) -> pa.ChunkedArray:
    type_ = pa.decimal128(SHIFT_MAX + 1, 0)
    powers = pa.array([Decimal(10 ** (exponent + scale)) for exponent in there], type_)
    return powers.take(pc.index_in(exponents, pa.array(there, exponents.type)).combine_chunks())


def plain(value: Any) -> str:
    """A decimal as people write it: all its digits, no exponent."""
    return format(value, "f") if isinstance(value, Decimal) else str(value)
