"""One GET of a venue's REST service, in a worker thread: bounded in time, in size and in number."""

from __future__ import annotations

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tapewire.feed.talking import MAX_REST_IN_FLIGHT

TIMEOUT_S = 10.0
MAX_BODY = 16 << 20
USER_AGENT = "tapewire"

Answer = Callable[[int, int, bytes], None]
"""(request id, HTTP status or 0, body or the reason why there is none)."""


def get(url: str, timeout_s: float = TIMEOUT_S) -> tuple[int, bytes]:
    """(HTTP status, body); status 0 and the reason when there was no whole answer."""
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT, "Accept": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as response:
            body: bytes = response.read(MAX_BODY + 1)
            status: int = response.status
    except urllib.error.HTTPError as error:
        return error.code, _text_of(error)
    except (OSError, http.client.HTTPException) as error:  # refused, timed out, no name, half an answer
        return 0, (str(error) or type(error).__name__).encode()
    if len(body) > MAX_BODY:
        return 0, f"the answer is longer than {MAX_BODY} bytes".encode()
    return status, body


def _text_of(error: urllib.error.HTTPError) -> bytes:
    """As far as it can be had: the status is the answer."""
    with error:
        try:
            return error.read(MAX_BODY)
        except (OSError, http.client.HTTPException) as broken:
            return str(broken).encode()


class RestClient:
    """Runs GETs beside the event loop and calls back on it. Sessions ask for no more than a few at a time."""

    def __init__(self, base_url: str, on_answer: Answer, timeout_s: float = TIMEOUT_S) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise ValueError(f"rest_url: holds {base_url!r}; expected http://... or https://...")
        self._base = base_url.rstrip("/")
        self._on_answer, self._timeout_s = on_answer, timeout_s
        self._threads = ThreadPoolExecutor(MAX_REST_IN_FLIGHT, thread_name_prefix="rest")
        self._tasks: set[asyncio.Task[None]] = set()

    def fetch(self, request_id: int, path: str) -> None:
        """Starts a GET; its answer comes by `on_answer`, unless this is closed before."""
        task = asyncio.get_running_loop().create_task(self._fetch(request_id, path))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fetch(self, request_id: int, path: str) -> None:
        loop = asyncio.get_running_loop()
        status, body = await loop.run_in_executor(self._threads, get, self._base + path, self._timeout_s)
        self._on_answer(request_id, status, body)

    def close(self) -> None:
        """Forgets what is under way. A thread in the middle of a GET ends by its time-out."""
        for task in self._tasks:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
