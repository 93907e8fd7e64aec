"""What a program says at its end where the system refused something."""

from __future__ import annotations

import errno
import os

import pytest

from tapewire.advice import advised
from tapewire.errors import RingError, TapeError, TransportError


@pytest.mark.parametrize(
    ("number", "help_"),
    [
        (errno.ENOSPC, "df -h"),
        (errno.EACCES, "ls -l"),
        (errno.EROFS, "`data` and `rings`"),
        (errno.EADDRINUSE, "ss -ltnp"),
        (errno.EMFILE, "ulimit -n"),
        (errno.ENOMEM, "ulimit -l"),
        (errno.EDQUOT, "quota"),
    ],
)
def test_behind_the_systems_words_stands_what_to_do(number: int, help_: str) -> None:
    """In the words of this very system, whose C library writes them."""
    text = f"/dev/shm/tw/orders.0.1.operator: cannot create the ring: {os.strerror(number)}"
    told = advised(RingError(text))
    assert told.startswith(f"{text}. ")
    assert help_ in told.removeprefix(text)


def test_a_tape_of_another_version_is_read_by_who_wrote_it() -> None:
    assert advised(TapeError("/t/control: a tape of version 9, this build reads version 1")).endswith("docs/upgrade.md")


def test_a_message_that_says_itself_what_to_do_is_left_as_it_is() -> None:
    text = "cannot create /d: Permission denied. Point `data` and `rings` at folders this user may write to"
    assert advised(TransportError(text)) == text
