"""The front over TLS: certificates, versions, names."""

from __future__ import annotations

import select
import ssl
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from tapewire.fix.client import FixClient
from tests.engine_process import PATIENCE_S
from tests.fix.front_in_a_thread import FrontInAThread
from tests.fix.test_front import ClientOf, answer, until


@pytest.fixture
def client_of() -> Iterator[ClientOf]:
    """Makes clients, and closes them at the end."""
    with ExitStack() as stack:
        yield lambda front, login, **more: stack.enter_context(
            closing(FixClient("127.0.0.1", front.port, login, timeout=PATIENCE_S, **more))
        )


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def make_certificate(folder: Path) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "1",
    ]
    names = ["-subj", "/CN=fix.example", "-addext", "subjectAltName=DNS:fix.example,IP:127.0.0.1"]
    try:
        subprocess.run([*command, *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no openssl on this machine to make a certificate with")
    return cert, key


def test_over_tls_all_is_the_same(tmp_path: Path, client_of: ClientOf, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with FrontInAThread(tmp_path, certificate=cert, private_key=key) as front:
        context = ssl.create_default_context(cafile=str(cert))
        client = client_of(front, front.login(), tls=context)
        assert client.logon().type == "A"
        client.send("B", [(58, "x" * 12_000)])
        assert len(client.expect("B")[58]) == 12_000
        client.close()
        until(lambda: not front.admission.live)
        wrong = client_of(front, front.login(bytes(32)), tls=context)
        assert wrong.logon()[58].endswith("credentials are not right")
        old = ssl.create_default_context(cafile=str(cert))
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert client_of(front, front.login(bytes(32)), tls=old).logon().type == "5"


def test_who_asks_for_another_name_or_does_not_speak_tls_gets_nowhere(
    tmp_path: Path, certificate: tuple[Path, Path]
) -> None:
    cert, key = certificate
    settings: dict[str, Any] = {"certificate": cert, "private_key": key, "server_name": "fix.example"}
    with FrontInAThread(tmp_path, **settings) as front:
        context = ssl.create_default_context(cafile=str(cert))
        with front.socket() as sock, context.wrap_socket(sock, server_hostname="fix.example") as good:
            good.sendall(front.login(bytes(32)).logon(1, time.time_ns()))
            assert b"35=5" in good.recv(4096)
        with front.socket() as sock, pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name|EOF"):
            context.wrap_socket(sock, server_hostname="127.0.0.1")
        with front.socket() as sock:
            sock.sendall(front.login().logon(1, time.time_ns()))
            assert b"35=" not in answer(sock)
        until(lambda: front.admission.connections == 0)
        assert (front.admission.counts["tls_failed"], front.admission.counts["timed_out"]) == (2, 0)
    with FrontInAThread(tmp_path, **settings, logon_timeout=0.5) as front:
        with front.socket() as silent:  # says nothing, not even ClientHello
            assert select.select([silent], [], [], PATIENCE_S)[0]
        until(lambda: front.admission.connections == 0)
        counts = front.admission.counts  # either timer may be the first
        assert counts["tls_failed"] + counts["timed_out"] == 1


def test_a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)

    def shown(front: FrontInAThread) -> str:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with front.socket() as sock, context.wrap_socket(sock) as secure:
            found = secure.getpeercert(binary_form=True)
            assert found is not None
            return ssl.DER_cert_to_PEM_cert(found)

    with FrontInAThread(tmp_path, certificate=cert, private_key=key) as front:
        first = cert.read_text()
        assert shown(front) == first
        cert.write_text("half of one")
        time.sleep(1.1)
        assert shown(front) == first
        make_certificate(tmp_path)
        assert cert.read_text() != first
        until(lambda: shown(front) == cert.read_text())


@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_tls_before_1_2_is_refused(tmp_path: Path, certificate: tuple[Path, Path], most: ssl.TLSVersion) -> None:
    cert, key = certificate
    with FrontInAThread(tmp_path, certificate=cert, private_key=key) as front:
        context = ssl.create_default_context(cafile=str(cert))
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = most
        with front.socket() as sock, pytest.raises(ssl.SSLError, match=r"(?i)version|protocol"):
            context.wrap_socket(sock, server_hostname="fix.example")
        until(lambda: front.counts == {"tls_failed": 1})
