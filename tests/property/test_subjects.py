from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tapewire.errors import SubjectError
from tapewire.subjects import Subject, escape, matches, parse_pattern, pattern, subject, unescape

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()))
WORDS = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,8}", fullmatch=True)
NATS_TOKEN = re.compile(r"[!-)+-\-/-=?-~]+")  # ASCII 33 to 126 without * . >


@given(ANY_TEXT)
def test_any_text_comes_back_from_its_token_and_the_token_is_one_that_nats_allows(key: str) -> None:
    token = escape(key)
    assert unescape(token) == key
    assert NATS_TOKEN.fullmatch(token)


@given(ANY_TEXT, ANY_TEXT)
def test_different_keys_have_different_tokens(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


@given(st.text(alphabet="=0123456789ABCDEFabcdefxyz_-./*> ", max_size=12))
def test_text_that_escape_never_makes_is_refused(text: str) -> None:
    try:
        key = unescape(text)
    except SubjectError:
        return
    assert escape(key) == text


@given(WORDS, WORDS, WORDS, ANY_TEXT)
def test_a_subject_is_parsed_back_into_its_parts(env: str, feed: str, kind: str, key: str) -> None:
    text = str(Subject(env, feed, kind, key))
    assert Subject.parse(text) == Subject(env, feed, kind, key)
    assert matches(pattern(env, feed), text)
    assert matches(pattern(kind=kind, key=key), text)
    assert matches(parse_pattern(f"{env}.{feed}.>"), text)


@pytest.mark.parametrize(
    ("key", "token"),
    [
        ("BTCUSDT", "BTCUSDT"),
        ("BRK.B", "BRK=2EB"),
        ("BTC/USD", "BTC=2FUSD"),
        ("", "="),
        ("é", "=C3=A9"),
        ("a=b", "a=3Db"),
    ],
)
def test_tokens_look_as_documented(key: str, token: str) -> None:
    assert escape(key) == token
    assert subject("demo", "kraken", "trade", key) == f"demo.kraken.trade.{token}"


@pytest.mark.parametrize("token", ["", "a.b", "=2e", "=2", "=G0", "==", "=C3", "=41", "ü", "*", ">"])
def test_malformed_tokens_are_refused(token: str) -> None:
    with pytest.raises(SubjectError, match="subject token"):
        unescape(token)


@pytest.mark.parametrize("text", ["a.b.c", "a.b.c.d.e", "A.b.c.d", "a..c.d", "a.b.c.", "a.*.c.d"])
def test_text_that_is_no_subject_is_refused(text: str) -> None:
    with pytest.raises(SubjectError):
        Subject.parse(text)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("demo.binance.trade.*", "demo.binance.trade.*"),
        ("demo.>", "demo.>"),
        (">", ">"),
        ("*.*.trade.>", "*.*.trade.>"),
        ("demo.kraken.trade.BTC/USD", "demo.kraken.trade.BTC=2FUSD"),
        ("demo.kraken.trade.BTC=2FUSD", "demo.kraken.trade.BTC=2FUSD"),
        ("demo.iex.trade.BRK.B", "demo.iex.trade.BRK=2EB"),
    ],
)
def test_patterns_are_read_as_a_person_means_them(typed: str, meant: str) -> None:
    assert parse_pattern(typed) == meant


@pytest.mark.parametrize(
    "text", ["", "demo", "demo.binance.trade", "Demo.binance.trade.*", "demo.>.trade.x", "a b.c.d.e"]
)
def test_patterns_that_cannot_be_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(SubjectError, match="expected"):
        parse_pattern(text)


@pytest.mark.parametrize(
    ("pattern_text", "text", "fits"),
    [
        ("a.b.c.d", "a.b.c.d", True),
        ("a.*.c.d", "a.b.c.d", True),
        ("a.>", "a.b.c.d", True),
        ("a.>", "a", False),
        ("a.*", "a.b.c", False),
        ("a.b.c.d", "a.b.c", False),
        ("a.b", "a.b.c", False),
        (">", "a", True),
    ],
)
def test_wildcards_match_as_nats_does(pattern_text: str, text: str, fits: bool) -> None:
    assert matches(pattern_text, text) is fits
