"""Subjects of the bus: `<env>.<feed>.<kind>.<key>`, keys escaped reversibly, patterns of the same shape.

    prod.binance.trade.BTCUSDT      prod.kraken.quote.BTC=2FUSD      prod.orders.tape.0

A key may be any text. ASCII letters, digits, `-` and `_` stand for themselves; every other byte of its UTF-8 is
written `=XX` in upper-case hex; the empty key is a lone `=`. So a token never holds a dot, a wildcard or a space,
each key has exactly one token, and each token at most one key.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from tapewire.errors import SubjectError

ESCAPE = "="
ANY = "*"
REST = ">"
TOKENS = 4
CACHED_SUBJECTS = 65_536

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_BYTE_TEXT = tuple(chr(b) if b in _PLAIN else f"{ESCAPE}{b:02X}" for b in range(256))
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_TOKEN = re.compile(r"(?:[A-Za-z0-9_-]|=[0-9A-F]{2})+|=")
_WORD = re.compile(r"[a-z0-9][a-z0-9_-]*")


def escape(key: str) -> str:
    """The token of `key`; `unescape` gives the key back, whatever it holds."""
    if _PLAIN_KEY.fullmatch(key):
        return key
    return "".join(_BYTE_TEXT[b] for b in key.encode("utf-8", "surrogatepass")) or ESCAPE


def unescape(token: str) -> str:
    """The key of a token made by `escape`. Raises SubjectError for text that `escape` never makes."""
    if ESCAPE not in token and _PLAIN_KEY.fullmatch(token):
        return token
    if token == ESCAPE:
        return ""
    key = _decoded(token)
    if key is None or escape(key) != token:
        raise SubjectError(
            f"subject token {token!r}: expected letters, digits, - and _, and every other byte as =XX in upper-case hex"
        )
    return key


def _decoded(token: str) -> str | None:
    if not _TOKEN.fullmatch(token):
        return None
    out = bytearray()
    at = 0
    while at < len(token):
        if token[at] == ESCAPE:
            out.append(int(token[at + 1 : at + 3], 16))
            at += 3
        else:
            out.append(ord(token[at]))
            at += 1
    try:
        return out.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return None


class Subject(NamedTuple):
    """The four parts of a subject; `key` is the plain key, not its token. `str()` gives the text of the wire."""

    env: str
    feed: str
    kind: str
    key: str

    def __str__(self) -> str:
        return subject(self.env, self.feed, self.kind, self.key)

    @classmethod
    def parse(cls, text: str) -> Subject:
        """The parts of a subject as it came off the wire. Raises SubjectError saying which part is not right."""
        parts = text.split(".")
        if len(parts) != TOKENS:
            raise SubjectError(f"subject {text!r}: expected <env>.<feed>.<kind>.<key>, found {len(parts)} parts")
        env, feed, kind, token = parts
        for name, word in (("env", env), ("feed", feed), ("kind", kind)):
            _check_word(name, word)
        return cls(env, feed, kind, unescape(token))


@lru_cache(maxsize=CACHED_SUBJECTS)
def subject(env: str, feed: str, kind: str, key: str | int) -> str:
    """The text of a subject. `env`, `feed` and `kind` are lower-case words, `key` is any text (or a number)."""
    for name, word in (("env", env), ("feed", feed), ("kind", kind)):
        _check_word(name, word)
    return f"{env}.{feed}.{kind}.{escape(str(key))}"


def is_word(text: str) -> bool:
    """Whether a text can be the env, the feed or the kind of a subject."""
    return _WORD.fullmatch(text) is not None


def _check_word(name: str, word: str) -> None:
    if not is_word(word):
        raise SubjectError(f"subject: {name} is {word!r}; expected a lower-case word of a-z, 0-9, - and _")


def pattern(env: str = ANY, feed: str = ANY, kind: str = ANY, key: str | None = None) -> str:
    """A pattern for subscribers: what is not given matches anything. `key` is a plain key, escaped here."""
    for name, word in (("env", env), ("feed", feed), ("kind", kind)):
        if word != ANY:
            _check_word(name, word)
    return f"{env}.{feed}.{kind}.{ANY if key is None else escape(key)}"


def parse_pattern(text: str) -> str:
    """The pattern a person meant: `demo.binance.trade.*`, `demo.kraken.>`, or a key as in `demo.kraken.trade.BTC/USD`.

    Everything after the third dot is the key, so `demo.iex.trade.BRK.B` means the ticker `BRK.B`. A key that is
    already escaped stays as it is. Raises SubjectError saying what is not right and how a pattern looks.
    """
    parts = text.strip().split(".", TOKENS - 1)
    words, key = parts[: TOKENS - 1], parts[TOKENS - 1 :]
    if len(parts) < TOKENS and words[-1] != REST:
        raise SubjectError(
            f"pattern {text!r}: expected four parts <env>.<feed>.<kind>.<key>, each a name or *, or fewer "
            f"that end in >; for example demo.binance.trade.* or demo.>"
        )
    for at, word in enumerate(words):
        closes = word == REST and at == len(parts) - 1
        if word != ANY and not closes and not is_word(word):
            raise SubjectError(
                f"pattern {text!r}: part {at + 1} is {word!r}; expected a lower-case name, * for any one part, "
                f"or > at the end for all that follows"
            )
    if key and key[0] not in (ANY, REST):
        words.append(key[0] if _is_token(key[0]) else escape(key[0]))
        return ".".join(words)
    return ".".join(parts)


def _is_token(text: str) -> bool:
    try:
        unescape(text)
    except SubjectError:
        return False
    return True


def matches(pattern: str, subject: str) -> bool:
    """Whether a subject fits a pattern, by the rules of NATS: `*` is one token, a closing `>` is one or more."""
    wanted, found = pattern.split("."), subject.split(".")
    for at, token in enumerate(wanted):
        if token == REST and at == len(wanted) - 1:
            return len(found) > at
        if at >= len(found) or (token != ANY and token != found[at]):
            return False
    return len(wanted) == len(found)


def check_subject(subject: str) -> None:
    """Raises SubjectError for text that would break the protocol's line, or is a pattern."""
    tokens = subject.split(".")
    if not subject.isascii() or not subject.isprintable() or " " in subject or "" in tokens or {"*", ">"} & set(tokens):
        raise SubjectError(f"subject {subject!r}: expected tokens of printable ASCII split by dots")
