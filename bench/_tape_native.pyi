from os import PathLike
from typing import NamedTuple

class Latency(NamedTuple):
    p50_ns: int
    p99_ns: int
    samples: int

def append_ns(path: str | PathLike[str], segment_bytes: int, records: int, batch: int) -> float: ...
def commit_latency(path: str | PathLike[str], rounds: int, batch: int) -> Latency: ...
def scan_ns(path: str | PathLike[str], rounds: int) -> float: ...
