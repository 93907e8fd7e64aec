from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire.cli import cli
from tapewire.config import Config, GatewaySession, load
from tapewire.errors import ConfigError

ACCOUNTS = "[[account]]\naccount = 7\n[[account]]\naccount = 8\n"
SESSION = """
[[gateway.sessions]]
name = "acme"
number = 3
comp_id = "ACME"
username = "acme-key"
public_key = "AAAA"
accounts = [7, 8]
"""


def read(tmp_path: Path, text: str) -> Config:
    path = tmp_path / "tapewire.toml"
    path.write_text(ACCOUNTS + text)
    return load(path, environ={})


def test_sessions_are_read_with_their_defaults(tmp_path: Path) -> None:
    gateway = read(tmp_path, f"[gateway]\nport = 9999\n{SESSION}cancel_on_disconnect = true\n").gateway
    assert gateway.sessions == (
        GatewaySession(
            name="acme", number=3, comp_id="ACME", username="acme-key", public_key="AAAA", accounts=(7, 8),
            cancel_on_disconnect=True,
        ),
    )  # fmt: skip
    assert (gateway.port, gateway.tls, gateway.target_of(gateway.sessions[0])) == (9999, False, "TAPEWIRE")


def test_show_prints_sessions_as_tables_that_can_be_read_again(tmp_path: Path) -> None:
    config = read(tmp_path, SESSION)
    shown = CliRunner().invoke(cli, ["config", "show", "--config", str(tmp_path / "tapewire.toml")])
    assert shown.exit_code == 0, shown.output
    assert "[[gateway.sessions]]" in shown.output
    (tmp_path / "shown.toml").write_text(shown.output)
    assert load(tmp_path / "shown.toml", environ={}) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            SESSION.replace('"ACME"', '"AC ME"'),
            'gateway.sessions[0].comp_id: (FILE) holds "AC ME"; expected 1 to 32 of',
        ),
        (
            SESSION.replace("number = 3", "number = 0"),
            "gateway.sessions[0].number: (FILE) holds 0; expected an integer",
        ),
        (SESSION.replace('username = "acme-key"', ""), "gateway.sessions[0].username: missing; expected 1 to 64"),
        (SESSION + "nam = 1", "gateway.sessions[0].nam: (FILE) unknown key; did you mean name?"),
        (SESSION + 'kind = "order"', 'gateway.sessions[0].kind: (FILE) holds "order"; expected one of "drop-copy", '),
        (
            SESSION.replace('public_key = "AAAA"', ""),
            'gateway.sessions[0].public_key: is missing, but auth is "ed25519"',
        ),
        (
            SESSION + 'secret_file = "x"',
            'gateway.sessions[0].secret_file: is there, but auth is "ed25519"; it needs pub',
        ),
        (SESSION.replace("[7, 8]", "[]"), "gateway.sessions[0].accounts: missing; a session of kind orders needs"),
        (SESSION.replace("[7, 8]", "[9]"), "gateway.sessions[0].accounts: 9 is no [[account]]; there is [7, 8]"),
        (SESSION.replace("[7, 8]", '["x"]'), 'gateway.sessions[0].accounts: (FILE) holds ["x"]; expected a list (0 or'),
        (SESSION + 'allow = ["10.0.0.300"]', 'gateway.sessions[0].allow: "10.0.0.300" is no address or network'),
        (SESSION + 'hours = "7-9"', 'gateway.sessions[0].hours: (FILE) holds "7-9"; expected UTC hours such as'),
        (SESSION + 'hours = "07:00-07:00"', "gateway.sessions[0].hours: begin and end are the same"),
        (SESSION + SESSION, "gateway.sessions[1].name: is that of gateway.sessions[0], too"),
        (SESSION + SESSION.replace('"acme"', '"b"'), "gateway.sessions[1].number: is that of gateway.sessions[0]"),
        (
            SESSION + SESSION.replace('"acme"', '"b"').replace("3", "4"),
            "gateway.sessions[1].comp_id: is that of gateway.sessions[0], too; expected one of its own",
        ),
        ('[gateway]\ncertificate = "x"', "gateway.certificate: expected with gateway.private_key, both or none"),
        ('[gateway]\nallow = ["10.0.0.1/8"]', 'gateway.allow: "10.0.0.1/8" is no address or network'),
        ("[gateway]\nsessions = 3", "gateway.sessions: (FILE) holds 3; expected a list of { name, number, "),
        (
            '[gateway]\nhost = "0.0.0.0"\n'
            + SESSION.replace('public_key = "AAAA"', 'auth = "password"\npassword_hash = "scrypt$"'),
            'gateway.sessions[0].auth: holds "password", which would cross the network in clear; expected gateway.cert',
        ),
    ],
)
def test_errors_name_the_key_what_it_holds_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, text)
    assert message.replace("FILE", str(tmp_path / "tapewire.toml")) in str(raised.value)
