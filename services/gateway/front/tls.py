"""Our certificate, as it stands in its files: a renewed one is used for connections from then on, without a restart."""

from __future__ import annotations

import ssl
from typing import Final

from tapewire.config import Gateway
from tapewire.logs import Logger

LOOK_EVERY_S: Final = 1.0


class Certificate:
    """Of a gateway that has one."""

    def __init__(self, gateway: Gateway, log: Logger) -> None:
        """Raises OSError if it cannot be read (ssl.SSLError is one), or its key is another's."""
        self._gateway, self._log = gateway, log
        self._seen = self._stamps()
        self._context = tls_context(gateway)
        self._looked = 0.0

    def context(self, now: float) -> ssl.SSLContext:
        """For the next connection. `now`: seconds of any steady clock."""
        if now - self._looked < LOOK_EVERY_S:
            return self._context
        self._looked = now
        try:
            if (found := self._stamps()) == self._seen:
                return self._context
            self._seen = found
            self._context = tls_context(self._gateway)
        except OSError as error:  # half written, perhaps: the other half changes it again
            self._log.error("the new certificate cannot be used; the one before it stays", error=str(error))
        else:
            self._log.info("new certificate", path=str(self._gateway.certificate))
        return self._context

    def _stamps(self) -> list[tuple[int, int, int]]:
        stats = [path.stat() for path in (self._gateway.certificate, self._gateway.private_key)]
        return [(one.st_mtime_ns, one.st_size, one.st_ino) for one in stats]


def tls_context(gateway: Gateway) -> ssl.SSLContext:
    """TLS 1.2 or later with our certificate; with `server_name`, for clients only that ask for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(gateway.certificate, gateway.private_key)
    if gateway.server_name:

        def named(_: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> int | None:
            return None if name == gateway.server_name else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

        context.sni_callback = named
    return context
