"""What compose.yaml needs before its first start: keys, certificate, passwords, settings, in .tapewire/compose.

    tapewire/    for our containers: tapewire.toml, certificate.pem, private_key.pem, keys/*.nk, postgres
    nats/        users.conf, certificate.pem, private_key.pem
    postgres     redis.conf     grafana       a password each, for the service of that name
    client/      what a person needs: dashboard.password, fix.key

The folder is its owner's alone (mode 0700). Below it the files of NATS, PostgreSQL, Redis and Grafana may be read by
whoever can reach them, for those images run as users of their own; ours are copied into a volume by the service
`secrets`, since a service takes no secret that others can read. What is there stays: run again, nothing changes.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import ipaddress
import os
import secrets
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".tapewire" / "compose"
TEMPLATE = ROOT / "deploy" / "docker" / "tapewire.toml"
NAMES = ("nats", "api", "gateway", "localhost")
"""Under which the certificate is asked for, in the network of the containers and on this host."""
RELAYED = {"orders.0": ("gateway", "api", "api-operator", "router"), "router.0": ("api",)}
"""Rings whose two ends are on different hosts in the profile split."""
LASTS = datetime.timedelta(days=825)
FOR_OTHERS = 0o644


def prepare(folder: Path) -> None:
    """Makes what is missing. Raises OSError, subprocess.CalledProcessError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("tapewire", "nats", "client"):
        (folder / name).mkdir(exist_ok=True)
    _certificate(folder)
    for name in ("postgres", "redis", "grafana"):
        _once(folder / name, secrets.token_urlsafe(18), FOR_OTHERS)
    password = (folder / "redis").read_text()
    _once(folder / "redis.conf", f"requirepass {password}\nappendonly yes\ndir /data\n", FOR_OTHERS)
    _once(folder / "tapewire" / "postgres", (folder / "postgres").read_text(), 0o600)
    _settings(folder)
    _bus_keys(folder)


def _once(path: Path, text: str, mode: int) -> None:
    """Written in one step, unless it is there."""
    if path.exists():
        return
    aside = path.with_name(f".{path.name}.new")
    aside.unlink(missing_ok=True)
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    aside.chmod(mode)
    aside.rename(path)


def _certificate(folder: Path) -> None:
    """One for all who listen, its own authority."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import NameOID

    if (folder / "tapewire" / "private_key.pem").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tapewire compose")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in NAMES]
    names.append(x509.IPAddress(ipaddress.IPv4Address("127.0.0.1")))
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LASTS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = made.public_bytes(Encoding.PEM).decode()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    for place, mode in (("nats", FOR_OTHERS), ("tapewire", 0o600)):
        _once(folder / place / "certificate.pem", certificate, FOR_OTHERS)
        _once(folder / place / "private_key.pem", private, mode)
    _once(folder / "client" / "certificate.pem", certificate, FOR_OTHERS)


def _settings(folder: Path) -> None:
    """The template, with a password and a key made for this folder."""
    from tapewire.fix.auth import hash_password, new_ed25519, public_ed25519

    fix, password = folder / "client" / "fix.key", folder / "client" / "dashboard.password"
    if not fix.exists():
        _once(fix, base64.b64encode(new_ed25519()[0]).decode() + "\n", 0o600)
    _once(password, secrets.token_urlsafe(12), 0o600)
    text = TEMPLATE.read_text()
    filled = {
        "<fix_public_key>": public_ed25519(base64.b64decode(fix.read_text())),
        "<api_password_hash>": hash_password(password.read_text()),
    }
    for mark, value in filled.items():
        text = text.replace(mark, value)
    _once(folder / "tapewire" / "tapewire.toml", text, 0o600)


def _bus_keys(folder: Path) -> None:
    """By `tapewire bus keys`, which leaves alone those that are there."""
    settings = tomllib.loads((folder / "tapewire" / "tapewire.toml").read_text())
    command = [sys.executable, "-m", "tapewire.cli", "bus", "keys", str(folder / "tapewire"), "--env", settings["env"]]
    for feed in settings["feed"]:
        command += ["--feed", feed]
    for account in settings["account"]:
        command += ["--account", str(account["account"])]
    for tape, rings in RELAYED.items():
        for ring in rings:
            command += ["--ring", f"{tape}.{ring}"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    users = folder / "nats" / "users.conf"
    users.unlink(missing_ok=True)
    _once(users, (folder / "tapewire" / "users.conf").read_text(), FOR_OTHERS)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    folder: Path = parser.parse_args(arguments).folder
    prepare(folder)
    print(f"dashboard: https://localhost:8800, user operator, password in {folder / 'client' / 'dashboard.password'}")
    print(f"grafana:   http://localhost:3000, user admin, password in {folder / 'grafana'}")
    print(f"FIX:       localhost:9880 (TLS), CLIENT to TAPEWIRE, private key in {folder / 'client' / 'fix.key'}")


if __name__ == "__main__":
    main(sys.argv[1:])
