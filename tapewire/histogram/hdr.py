"""Histograms for HdrHistogram's tools: its V2 encoding and its log files (.hlog), written without loss.

HdrHistogram with two significant digits and a lowest value of 1 has 128 buckets for each power of two from 256 on, and
one for each value below: the buckets of histogram.hpp. So counts go over as they are, index for index.

    payload     i32 cookie │ i32 bytes of counts │ i32 0 │ i32 digits │ i64 lowest │ i64 highest │ f64 1.0 │ counts
    counts      zig-zag LEB128 each; a negative one is a run of so many zeros
    compressed  i32 cookie │ i32 bytes │ zlib(payload), all big endian; in a log in base64
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Final, TextIO

from tapewire.histogram._histogram import Histogram

COOKIE: Final = 0x1C849303 | 0x10
COMPRESSED_COOKIE: Final = 0x1C849304 | 0x10
DIGITS: Final = 2
LOWEST, HIGHEST = 1, (1 << 40) - 1
_PAYLOAD = struct.Struct(">iiiiqqd")
_COMPRESSED = struct.Struct(">ii")
LEGEND: Final = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'


def encode(histogram: Histogram) -> bytes:
    """One histogram in V2, compressed and in base64, as a log has it. Values are ns."""
    counts = _counts(histogram.counts())
    payload = _PAYLOAD.pack(COOKIE, len(counts), 0, DIGITS, LOWEST, HIGHEST, 1.0) + counts
    packed = zlib.compress(payload)
    return base64.b64encode(_COMPRESSED.pack(COMPRESSED_COOKIE, len(packed)) + packed)


def write_log(out: TextIO, begin_ns: int, intervals: Iterable[tuple[int, int, Mapping[str, Histogram]]]) -> None:
    """A log of version 1.3: (start UTC ns, end UTC ns, histograms by tag) one after the other. Maxima are in ms."""
    out.write("#[Histogram log format version 1.3]\n")
    out.write(f"#[StartTime: {begin_ns / 1e9:.3f} (seconds since epoch)]\n")
    out.write(f"{LEGEND}\n")
    for start, end, histograms in intervals:
        for tag, histogram in histograms.items():
            at, length = (start - begin_ns) / 1e9, (end - start) / 1e9
            text = encode(histogram).decode()
            out.write(f"Tag={_tag(tag)},{at:.3f},{length:.3f},{histogram.max / 1e6:.6f},{text}\n")


def _tag(name: str) -> str:
    """A comma, a space or a line's end would end the tag."""
    return "".join("_" if c in ", \r\n" else c for c in name)


def _counts(filled: Iterable[tuple[int, int]]) -> bytes:
    out, at = bytearray(), 0
    for bucket, count in filled:
        if bucket > at:
            out += _zig_zag(at - bucket)
        out += _zig_zag(count)
        at = bucket + 1
    return bytes(out)


def _zig_zag(value: int) -> bytes:
    """LEB128 of the zig-zag form; HdrHistogram's ninth byte, if there is one, carries eight bits."""
    rest = (value << 1) ^ (value >> 63)
    out = bytearray()
    while rest > 0x7F and len(out) < 8:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)
