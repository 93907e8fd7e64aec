"""Whose signature holds, for how long, and how often."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.api.authors import NS, Author, Bucket
from services.api.keys import CHECKS_A_SECOND, MAX_NONCE, Failures, Keys, Nonces, Signed, signed_text
from services.api.problems import Problem
from services.api.sessions import TICKET_NS, Sessions, Tickets
from tapewire.config import Api, ApiKey, ApiUser
from tapewire.fix.auth import hash_password, hmac_signature, write_secret

SECRET = bytes(range(32))
NOW = 1_790_000_000 * NS
WINDOW_NS = 5 * NS
BODY = b'{"cl_ord_id":"a-1"}'


@pytest.fixture
def api(tmp_path: Path) -> Api:
    write_secret(tmp_path / "secret", SECRET)
    return Api(
        keys=(ApiKey(name="desk", number=7, auth="hmac", secret_file=tmp_path / "secret", accounts=(1,)),),
        users=(ApiUser(name="ann", number=8, password_hash=hash_password("right")),),
        receive_window=WINDOW_NS / NS,
        max_nonces=16,
        failures=3,
        failures_interval=60.0,
    )


def keys_of(api: Api) -> Keys:
    return Keys(api, Failures(api.failures, int(api.failures_interval * NS)))


def signed(nonce: str = "n-1", *, at: int = NOW, secret: bytes = SECRET, key: str = "desk") -> Signed:
    timestamp = str(at // 1_000_000)
    signature = hmac_signature(secret, signed_text(timestamp, nonce, "POST", "/v1/orders", BODY))
    return Signed(key, timestamp, nonce, signature, "POST", "/v1/orders", BODY)


def refusal(keys: Keys, request: Signed, now: int = NOW, address: str = "1.2.3.4") -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        keys.verify(request, now, address)
    return caught.value.status, str(caught.value.body.reason)


def test_a_signed_request_is_of_its_key(api: Api) -> None:
    author = keys_of(api).verify(signed(), NOW, "1.2.3.4")
    assert (author.name, author.number, author.accounts) == ("desk", 7, frozenset({1}))


@pytest.mark.parametrize("part", ["key", "timestamp", "nonce", "method", "target", "body", "signature"])
def test_no_part_of_it_can_be_changed(api: Api, part: str) -> None:
    given = getattr(signed(), part)
    changed = signed()._replace(**{part: given + (b"x" if part == "body" else "1")})
    assert refusal(keys_of(api), changed) == (401, "signature")


def test_a_nonce_is_taken_once_and_forgotten_when_its_time_would_be_refused(api: Api) -> None:
    keys = keys_of(api)
    keys.verify(signed(), NOW, "1.2.3.4")
    assert refusal(keys, signed()) == (401, "replay")
    last = NOW + WINDOW_NS
    assert refusal(keys, signed(), last) == (401, "replay")
    assert refusal(keys, signed(), last + 1_000_000) == (401, "timestamp")


def test_a_nonce_off_the_tape_counts_as_used(api: Api) -> None:
    keys = keys_of(api)
    keys.used(7, "n-1", NOW - NS, NOW)
    assert refusal(keys, signed()) == (401, "replay")
    keys.used(99, "n-2", NOW, NOW)  # of a key that is no longer there
    keys.verify(signed("n-2"), NOW, "1.2.3.4")


@pytest.mark.parametrize("nonce", ["", "x" * (MAX_NONCE + 1), "a\tb", "ä"])
def test_a_nonce_that_the_tape_cannot_hold_is_refused(api: Api, nonce: str) -> None:
    status, reason = refusal(keys_of(api), signed(nonce))
    assert (status, reason) == (401, "nonce")


def test_the_nonces_of_a_key_are_bounded_and_give_way_with_time(api: Api) -> None:
    keys = keys_of(api)
    for number in range(16):
        keys.verify(signed(f"n-{number}"), NOW, "1.2.3.4")
    assert refusal(keys, signed("n-16")) == (429, "nonces")
    later = NOW + 2 * WINDOW_NS
    keys.verify(signed("n-16", at=later), later, "1.2.3.4")


def test_nonces_forgets_in_order() -> None:
    nonces = Nonces(2)
    assert nonces.take("a", 10, 0)
    assert nonces.take("b", 20, 0)
    assert not nonces.take("c", 30, 9)
    assert nonces.take("c", 30, 10)
    assert ("a" in nonces, "b" in nonces, len(nonces)) == (False, True, 2)


def test_an_address_that_fails_too_often_waits_and_others_do_not(api: Api) -> None:
    keys = keys_of(api)
    for number in range(3):
        assert refusal(keys, signed(f"n-{number}", secret=bytes(32))) == (401, "signature")
    assert refusal(keys, signed("n-3", secret=bytes(32))) == (429, "failures")
    keys.verify(signed(), NOW, "5.6.7.8")
    later = NOW + 60 * NS
    assert refusal(keys, signed("n-4", secret=bytes(32), at=later), later) == (401, "signature")


def test_a_good_signature_is_taken_from_an_address_where_others_fail(api: Api) -> None:
    keys = keys_of(api)
    for number in range(10):
        refusal(keys, signed(f"n-{number}", secret=bytes(32)))
    assert keys.verify(signed("mine"), NOW, "1.2.3.4").name == "desk"


def test_what_is_looked_at_from_an_address_where_others_fail_is_bounded(api: Api) -> None:
    keys = keys_of(api)
    for number in range(3):
        refusal(keys, signed(f"n-{number}", secret=bytes(32)))
    for number in range(CHECKS_A_SECOND):
        assert refusal(keys, signed(f"m-{number}", secret=bytes(32))) == (429, "failures")
    assert refusal(keys, signed("mine")) == (429, "failures")
    assert keys.verify(signed("mine"), NOW, "5.6.7.8").name == "desk"
    assert keys.verify(signed("mine-2"), NOW + NS, "1.2.3.4").name == "desk"


def test_whoever_has_many_addresses_is_one_sender() -> None:
    failures = Failures(3, 60 * NS)
    for number in range(3):
        failures.add(f"2001:db8::{number}:1", NOW)
        failures.add(f"::ffff:192.0.2.{number}", NOW)
    with pytest.raises(Problem):
        failures.check("2001:db8::ffff:7", NOW)
    for other in ("2001:db8:0:1::1", "::ffff:192.0.2.9", "192.0.2.1", ""):
        failures.check(other, NOW)


def test_a_bucket_gives_burst_at_once_then_its_rate() -> None:
    bucket = Bucket(10.0, 3)
    assert [bucket.take(NOW) for _ in range(4)] == [True, True, True, False]
    assert (bucket.remaining, bucket.retry_s, bucket.reset_s) == (0, 1, 1)
    assert bucket.take(NOW + NS // 10)
    assert not bucket.take(NOW + NS // 10)
    assert not bucket.take(NOW - NS), "a clock set back gives nothing"
    assert [bucket.take(NOW + 100 * NS) for _ in range(4)] == [True, True, True, False]


def test_what_an_author_may() -> None:
    trader = Author("t", 1, ("read", "trade"), (1, 2), Bucket(1, 1))
    assert (trader.visible, trader.sees(3), trader.acts_for(2)) == (frozenset({1, 2}), False, True)
    boss = Author("b", 2, ("read", "risk"), (1,), Bucket(1, 1))
    assert (boss.visible, boss.sees(3), boss.acts_for(1)) == (None, True, False)
    with pytest.raises(Problem) as caught:
        boss.need_account(1)
    assert caught.value.status == 403


async def test_a_login_lasts_its_time_and_ends_with_a_logout(api: Api) -> None:
    sessions = Sessions(api, Failures(3, 60 * NS))
    try:
        token, login = await sessions.log_in("ann", "right", NOW, "1.2.3.4")
        assert login.author.name == "ann"
        found = sessions.find(token, login.until - 1)
        assert found is not None
        assert found.csrf == login.csrf
        assert sessions.find(token + "x", NOW) is None
        assert sessions.find(token, login.until) is None
        token, _ = await sessions.log_in("ann", "right", NOW, "1.2.3.4")
        sessions.log_out(token)
        assert sessions.find(token, NOW) is None
    finally:
        sessions.close()


@pytest.mark.parametrize(("user", "password"), [("ann", "wrong"), ("nobody", "right"), ("ann", ""), ("ann", "\ud800")])
async def test_wrong_passwords_are_counted_and_right_ones_are_not(api: Api, user: str, password: str) -> None:
    sessions = Sessions(api, Failures(2, 60 * NS))
    try:
        for _ in range(3):
            await sessions.log_in("ann", "right", NOW, "1.2.3.4")
        for expected in (401, 401, 429):
            with pytest.raises(Problem) as caught:
                await sessions.log_in(user, password, NOW, "1.2.3.4")
            assert caught.value.status == expected
    finally:
        sessions.close()


def test_a_ticket_is_good_once_and_in_time() -> None:
    tickets, author = Tickets(), Author("t", 1, (), (), Bucket(1, 1))
    assert tickets.take(tickets.issue(author, NOW), NOW + TICKET_NS - 1) == (author, None)
    late = tickets.issue(author, NOW)
    once = tickets.issue(author, NOW)
    tickets.take(once, NOW)
    for ticket, now in ((late, NOW + TICKET_NS), (once, NOW), ("guessed", NOW)):
        with pytest.raises(Problem):
            tickets.take(ticket, now)


async def test_a_ticket_is_worth_nothing_once_its_login_has_ended(api: Api) -> None:
    sessions, tickets = Sessions(api, Failures(2, 60 * NS)), Tickets()
    try:
        token, login = await sessions.log_in("ann", "right", NOW, "1.2.3.4")
        good, late = tickets.issue(login.author, NOW, login), tickets.issue(login.author, NOW, login)
        assert tickets.take(good, NOW) == (login.author, login)
        sessions.log_out(token)
        with pytest.raises(Problem):
            tickets.take(late, NOW)
    finally:
        sessions.close()
