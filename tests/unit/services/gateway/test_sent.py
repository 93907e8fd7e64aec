"""What was sent, and how it goes out again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from services.gateway.resend import Piece, pieces
from services.gateway.sent import MAX_ENTRIES, STRIDE, SentIndex, read_sent
from tapewire import messages as m
from tapewire.tape import TapeWriter


@pytest.mark.parametrize(
    ("begin", "end", "kept", "found"),
    [
        (2, 9, [(4, "a"), (6, "b"), (8, "c")], ["4>4", "a", "5>6", "b", "7>8", "c"]),
        (2, 9, [], ["2>9"]),
        (2, 4, [(2, "a"), (3, "b")], ["a", "b"]),
        (2, 4, [(1, "z"), (2, "a"), (7, "y")], ["a", "3>4"]),
        (5, 5, [(5, "a")], []),
    ],
)
def test_gap_fills_stand_for_what_is_not_sent_again(
    begin: int, end: int, kept: list[tuple[int, str]], found: list[str]
) -> None:
    out = list(pieces(begin, end, kept))
    texts = [piece.raw or f"{piece.seq}>{piece.following}" for piece in out]
    assert texts == [text.replace("4>4", "2>4") for text in found]
    assert [piece.seq for piece in out[1:]] == [piece.following for piece in out[:-1]], "no number is left out"
    assert out == [] or (out[0].seq, out[-1].following) == (begin, end)
    assert all(isinstance(piece, Piece) for piece in out)


def test_the_index_is_bounded_and_never_leads_behind_what_is_sought() -> None:
    index, rng, seq = SentIndex(), random.Random(1), 0
    at: dict[int, int] = {}
    count = 3 * MAX_ENTRIES * STRIDE // 2
    for number in range(1, count, 7):
        seq += rng.randint(1, 3)
        index.add(number, seq)
        at[number] = seq
    assert len(index.numbers) <= MAX_ENTRIES
    assert index.stride == 2 * STRIDE
    for number in rng.sample(sorted(at), 500):
        found = index.seq_before(number)
        assert at[1] <= found <= at[number]
        assert at[number] - found <= 3 * 3 * index.stride
    assert SentIndex().seq_before(5) == 0


def test_only_application_messages_of_the_session_are_read_again(tmp_path: Path) -> None:
    index = SentIndex()
    with TapeWriter(str(tmp_path), tmp_path.name, durability="memory") as writer:
        for number in range(1, 400):
            for session in (1, 2):
                kind = "0" if number % 3 == 0 else "8"
                raw = "" if number % 5 == 0 else f"{session}/{number}"
                given = {"session": session, "msg_seq_num": number, "msg_type": kind, "raw": raw}
                if session == 1:
                    index.add(number, writer.next_seq)
                writer.append(bytes(m.FixSent(seq=writer.next_seq, **given)))
        writer.commit()
    found = list(read_sent(tmp_path, 1, 200, 231, index.seq_before(200)))
    assert found == [(n, f"1/{n}") for n in range(200, 231) if n % 3 and n % 5]
