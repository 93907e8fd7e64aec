from __future__ import annotations

import hashlib
import hmac
import os
from base64 import b64encode
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire.cli import cli
from tapewire.errors import CredentialError
from tapewire.fix import auth
from tapewire.fix.client import Login
from tapewire.fix.message import Message, build, parse

NOW = 1_795_251_600 * 10**9  # 2026-11-21 09:00:00 UTC
SECRET = bytes(range(32))


def logon(login: Login, seq: int = 1, now: int = NOW) -> Message:
    return parse(login.logon(seq, now))


def changed(message: Message, tag: int, value: str) -> Message:
    pairs = [(t, value if t == tag else v) for t, v in message.pairs() if t not in (8, 9, 10)]
    return parse(build(message[8], pairs))


def test_an_hmac_logon_is_what_the_document_says() -> None:
    message = logon(Login("ACME", "TAPEWIRE", "key-1", "hmac", SECRET), seq=7)
    text = b"20261121-09:00:00.000\x01A\x017\x01ACME\x01TAPEWIRE"
    assert message[96] == b64encode(hmac.new(SECRET, text, hashlib.sha256).digest()).decode()
    assert message[95] == "44"


def credentials() -> list[tuple[auth.Credential, Login]]:
    private, public = auth.new_ed25519()
    return [
        (auth.Password(auth.hash_password("s3cret")), Login("ACME", "TAPEWIRE", "u", "password", b"s3cret")),
        (auth.HmacKey(SECRET), Login("ACME", "TAPEWIRE", "u", "hmac", SECRET)),
        (auth.Ed25519Key(public), Login("ACME", "TAPEWIRE", "u", "ed25519", private)),
    ]


def test_each_way_of_logging_on_proves_it_and_nothing_else_does() -> None:
    for credential, login in credentials():
        good = logon(login)
        assert credential.proves(good)
        tag = 554 if login.auth == "password" else 96
        assert not credential.proves(changed(good, tag, "A" + good[tag][1:]))
        assert not credential.proves(changed(good, tag, "é" * len(good[tag])))
        assert not credential.proves(parse(build("FIX.4.4", [(35, "A"), (34, 1)])))


@pytest.mark.parametrize("tag", [34, 49, 52, 56])
def test_a_signature_does_not_hold_for_another_logon(tag: int) -> None:
    for credential, login in credentials()[1:]:
        good = logon(login)
        value = "2" if tag == 34 else "20261121-09:00:00.001" if tag == 52 else "OTHER"
        assert not credential.proves(changed(good, tag, value))


def test_a_long_password_is_bounded_before_it_is_hashed() -> None:
    credential = auth.Password(auth.hash_password("a" * 256))
    assert not credential.proves(logon(Login("A", "B", "u", "password", b"a" * 257)))
    with pytest.raises(CredentialError, match="expected 1 to 256"):
        auth.hash_password("")


@pytest.mark.parametrize(
    "hashed",
    ["", "nonsense", "scrypt$16384$8$1$AAAA$AAAA", "scrypt$2$8$1$AAAAAAAAAAAAAAAAAAAAAA==$AAAA", "scrypt$a$8$1$$"],
)
def test_a_hash_of_another_form_is_refused_without_showing_it(hashed: str) -> None:
    with pytest.raises(CredentialError, match="tapewire fix key") as raised:
        auth.Password(hashed)
    assert not hashed or hashed not in str(raised.value)


@pytest.mark.parametrize("public", ["", "AAAA", "no base64", "é"])
def test_a_public_key_of_another_form_is_refused(public: str) -> None:
    with pytest.raises(CredentialError, match="expected base64 of the 32 bytes"):
        auth.Ed25519Key(public)


def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "acme"
    auth.write_secret(path, SECRET)
    assert (auth.read_secret(path), path.stat().st_mode & 0o777) == (SECRET, 0o600)
    path.chmod(0o640)
    with pytest.raises(CredentialError, match=r"with mode 0640. Use chown, chmod 600"):
        auth.read_secret(path)
    path.chmod(0o600)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(CredentialError, match="cannot be read"):
        auth.read_secret(link)
    with pytest.raises(CredentialError, match="cannot be written: File exists"):
        auth.write_secret(path, SECRET)
    path.write_text("no base64!")
    with pytest.raises(CredentialError, match="expected one line of base64") as raised:
        auth.read_secret(path)
    assert "no base64!" not in str(raised.value)
    os.mkfifo(tmp_path / "pipe", 0o600)
    held = os.open(tmp_path / "pipe", os.O_RDWR)
    with pytest.raises(CredentialError, match="must be a file"):
        auth.read_secret(tmp_path / "pipe")
    os.close(held)


def test_what_goes_behind_the_front_and_into_logs_has_no_secret() -> None:
    for _, login in credentials():
        message = logon(login)
        passed = parse(auth.for_the_backend(message, "TOKEN"))
        assert {tag: passed[tag] for tag in (34, 49, 52, 56, 95, 96, 553)} == {
            34: "1", 49: "ACME", 52: message[52], 56: "TAPEWIRE", 95: "5", 96: "TOKEN", 553: "u",
        }  # fmt: skip
        assert 554 not in passed
        shown = auth.redacted(message.raw) + auth.redacted(message.raw[:-20])
        assert message.get(554, "?!") not in shown
        assert message.get(96, "?!") not in shown
        assert "553=u" in shown
        assert repr(login.secret)[2:-1] not in repr(login)


def test_the_fronts_token_is_new_with_every_start_of_the_gateway(tmp_path: Path) -> None:
    path = tmp_path / "front.token"
    first = auth.make_front_token(path)
    assert auth.front_token(path) == first
    assert auth.is_front(first, first)
    assert not auth.is_front(first, "")
    assert not auth.is_front(first, "\udcff")
    assert auth.make_front_token(path) != first


def test_a_logon_is_taken_once_and_forgotten_when_its_window_is_over() -> None:
    login, replays = Login("A", "B", "u", "hmac", SECRET), auth.Replays(most=3)
    messages = [logon(login, seq) for seq in range(1, 6)]
    assert [replays.take(messages[0], NOW), replays.take(messages[0], NOW + 10**9)] == [True, False]
    assert [replays.take(message, NOW + 1) for message in messages[1:]] == [True, True, False, False]
    assert replays.take(messages[4], NOW + 120 * 10**9)
    assert len(replays) == 3


def test_what_was_accepted_outlives_the_process_and_its_file_stays_small(tmp_path: Path) -> None:
    login, path = Login("A", "B", "u", "hmac", SECRET), tmp_path / "front.logons"
    messages = [logon(login, seq) for seq in range(1, 20)]
    kept = auth.KeptReplays(path, NOW, most=3)
    assert [kept.take(message, NOW + at) for at, message in enumerate(messages[:4])] == [True, True, True, False]
    kept.close()
    path.write_text(path.read_text() + "a torn li")
    kept = auth.KeptReplays(path, NOW, most=3)
    assert [kept.take(message, NOW + 10) for message in messages[:4]] == [False] * 4
    later = NOW
    for message in messages[4:]:
        later += 121 * 10**9
        assert kept.take(message, later)
        assert len(path.read_text().splitlines()) <= 7
    kept.close()
    with closing(auth.KeptReplays(path, later, most=3)) as kept:
        assert len(kept) == 1


def test_key_prints_a_secret_once_and_what_the_configuration_keeps(tmp_path: Path) -> None:
    def made(kind: str) -> tuple[str, str]:
        result = CliRunner().invoke(cli, ["fix", "key", "acme", "--kind", kind, "--data", str(tmp_path)])
        assert result.exit_code == 0, result.output
        return result.stdout, result.stderr.splitlines()[-1]

    lines, secret = made("password")
    hashed = lines.split('password_hash = "')[1].split('"')[0]
    assert auth.Password(hashed).proves(logon(Login("A", "B", "acme", "password", secret.encode())))
    assert secret not in lines
    lines, secret = made("hmac")
    assert auth.read_secret(tmp_path / "gateway/keys/acme") == auth._base64(secret)
    assert secret not in lines
    lines, secret = made("ed25519")
    public = lines.split('public_key = "')[1].split('"')[0]
    assert auth.Ed25519Key(public).proves(logon(Login("A", "B", "acme", "ed25519", auth._base64(secret))))
    again = CliRunner().invoke(cli, ["fix", "key", "acme", "--kind", "hmac", "--data", str(tmp_path)])
    assert again.exit_code == 1
    assert CliRunner().invoke(cli, ["fix", "key", "../x", "--data", str(tmp_path)]).exit_code == 1
