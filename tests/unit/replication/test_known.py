"""What a host knows of a stream: whether the stream still has it, and who knows of more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tapewire.errors import TapeError
from tapewire.replication import host
from tapewire.replication.known import Answer, Known, digest, known, later, went_back
from tapewire.replication.part import Part
from tapewire.replication.takeover import own_tail

FRAMES = b"frames"
PART = Part(kind="frames", mark="m", holder="a", epoch=3, position=100, end=200, first=5, last=9)
OURS = known("then", 7, PART, FRAMES, 200)


def test_a_stream_that_has_our_message_is_what_it_was() -> None:
    held = digest(PART, FRAMES)
    assert went_back(OURS, "then", 1, 7, held) == ""
    assert went_back(OURS, "then", 1, 900, held) == ""
    assert went_back(OURS, "then", 8, 900, None) == "", "older messages make way for newer ones"


def test_one_that_ends_before_it_has_another_there_or_was_made_anew_went_back() -> None:
    assert "ends with message 6" in went_back(OURS, "then", 1, 6, None)
    assert "another one there" in went_back(OURS, "then", 1, 7, digest(PART, b"others"))
    assert "another one there" in went_back(OURS, "then", 1, 7, None)
    assert "it was made at now" in went_back(OURS, "now", 1, 900, digest(PART, FRAMES))


def test_a_digest_is_of_what_never_changes_of_a_message() -> None:
    grown = Part(
        kind="frames", mark="m", holder="a", epoch=3, position=100, end=200, durability="replicated", whole=150
    )
    assert digest(grown, FRAMES) == digest(PART, FRAMES)
    for other in (Part(kind="claim", mark="m", holder="a", epoch=3, position=100, end=200), PART):
        assert (digest(other, b"") == digest(PART, FRAMES)) is False


def test_only_who_knows_a_later_writer_contradicts() -> None:
    def answer(holder: str, epoch: int, *, sends: bool = False) -> Answer:
        part = Part(kind="claim", mark="m", holder=holder, epoch=epoch, position=0, end=0)
        return Answer(host="c", sends=sends, known=known("then", 1, part, b"", 0))

    assert later(OURS, "a", [answer("a", 3), answer("b", 2), Answer(host="d", sends=False, known=None)]) == ""
    assert "epoch 4, taken by b" in later(OURS, "a", [answer("a", 3), answer("b", 4)])
    assert "epoch 3, taken by b" in later(OURS, "a", [answer("b", 3)]), "two writers of one epoch"
    assert later(OURS, "a", [answer("a", 3, sends=True)]) == "c sends it"


def test_what_is_known_to_be_stored_is_nobodys_own_tail() -> None:
    """A claim that stands before it is of a stream that went back."""
    claim = Part(kind="claim", mark="m", holder="b", epoch=2, position=100, end=100, last=100)
    assert own_tail([(claim, [])], "a", 250, lambda part: True) is claim
    assert own_tail([(claim, [])], "a", 250, lambda part: True, stored=101) is None
    assert own_tail([(claim, [])], "a", 250, lambda part: True, stored=100) is claim


def test_it_is_kept_forgotten_when_told_and_refused_when_it_does_not_hold(tmp_path: Path) -> None:
    assert host.known_of(tmp_path) is None
    host.keep_known(tmp_path, OURS)
    assert host.known_of(tmp_path) == OURS
    (tmp_path / host.FOLDER / "known").write_text("{")
    with pytest.raises(TapeError, match="tapewire replica renew"):
        host.known_of(tmp_path)
    host.ask_renewal(tmp_path)
    assert (host.known_of(tmp_path), host.renewal_asked(tmp_path)) == (None, True)
    host.renewal_done(tmp_path)
    assert not host.renewal_asked(tmp_path)
    assert isinstance(OURS, Known)
