"""The process that folds the past, so that the API's loop need not: `python -m services.api.hub.historian SETTINGS`.

Questions come in on standard input, answers go out on standard output; the log is on standard error. Between questions
it follows the tape, takes pictures of it, and snapshots of what became of the API's requests. It ends with its input.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import sys
from collections import deque
from pathlib import Path

import msgspec

from services.api.hub import picture
from services.api.hub.errors import BeyondEnd, Superseded, TooOld
from services.api.hub.frames import HELLO, LENGTH, MAX_FRAME, Answer, Ask, Settings, frame, question
from services.api.hub.past import Past
from services.api.hub.pictures import Pictures
from services.api.hub.recalling import Recalling
from tapewire import logs
from tapewire.errors import TapewireError

NICE = 5  # the engine and the loop that clients wait for come first
IDLE_S = 0.1  # between two looks at the tape
READ = 1 << 16
MAX_QUESTIONS = 256  # the hub asks one at a time


class Questions:
    """Standard input: questions that wait, and which of them are no longer asked."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()
        self._waiting: deque[Ask] = deque()
        self._cancelled: set[int] = set()
        self.ended = False

    def look(self, timeout_s: float) -> None:
        """Takes in what is there; waits so long for the first of it."""
        while not self.ended and select.select([self._descriptor], [], [], timeout_s)[0]:
            timeout_s = 0.0
            data = os.read(self._descriptor, READ)
            if not data:
                self.ended = True
            self._buffer += data
            self._cut()

    def next(self) -> Ask | None:
        while self._waiting:
            asked = self._waiting.popleft()
            if asked.id not in self._cancelled:
                return asked
            self._cancelled.discard(asked.id)
        return None

    def cancelled(self, asked: Ask) -> bool:
        """Whether it is no longer asked; looks at what has come in since."""
        self.look(0.0)
        return self.ended or asked.id in self._cancelled

    def _cut(self) -> None:
        while len(self._buffer) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._buffer)
            assert length <= MAX_FRAME, "the hub frames its questions"
            if len(self._buffer) < LENGTH.size + length:
                return
            asked = question(bytes(self._buffer[LENGTH.size : LENGTH.size + length]))
            del self._buffer[: LENGTH.size + length]
            if isinstance(asked, Ask):
                self._waiting.append(asked)
                assert len(self._waiting) <= MAX_QUESTIONS, "the hub asks one at a time"
            else:
                # One that was answered already can still be cancelled: ids rise, so older ones are of no use.
                self._cancelled = {one for one in self._cancelled if one > asked.id - MAX_QUESTIONS} | {asked.id}


def answered(past: Past, questions: Questions, asked: Ask, settings: Settings) -> Answer:
    try:
        views = past.at(asked.seq, lambda: questions.cancelled(asked))
        shown = picture.as_of(views, asked.accounts, settings.producers, settings.feeds)
        return Answer(asked.id, msgspec.json.encode(shown))
    except TooOld as error:
        return Answer(asked.id, error="too_old", limit=error.oldest)
    except BeyondEnd as error:
        return Answer(asked.id, error="beyond_end", limit=error.newest)
    except Superseded:
        return Answer(asked.id, error="superseded")
    except TapewireError as error:
        return Answer(asked.id, error="failed", text=str(error))


def send(descriptor: int, raw: bytes) -> None:
    view = memoryview(raw)
    while view:
        view = view[os.write(descriptor, view) :]


def main(argument: str) -> int:
    settings = msgspec.json.decode(argument, type=Settings)
    log = logs.configure("api")
    # The API ends this process by closing its input; a Ctrl-C in the terminal is for the API to take.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Folds hold hundreds of thousands of small objects and no cycles: the collector would walk through all of them
    # again and again, which makes restoring a fold twenty times slower, and find nothing.
    gc.disable()
    os.nice(NICE)
    tape, questions = Path(settings.tape), Questions(sys.stdin.fileno())
    pictures = Pictures(tape, settings.env, log, settings.pictures, settings.pictures_bytes)
    try:
        past = Past(tape, settings.env, log, pictures, settings.every)
        recalling = Recalling(tape, settings.requests, log) if settings.requests is not None else None
        send(sys.stdout.fileno(), frame(Answer(HELLO)))
        more = True
        while not questions.ended:
            questions.look(0.0 if more else IDLE_S)
            while (asked := questions.next()) is not None:
                send(sys.stdout.fileno(), frame(answered(past, questions, asked, settings)))
            more = past.keep_up()
            if recalling is not None:
                more = recalling.keep_up() or more
        past.close()
    except TapewireError as error:
        log.error("historian_stopped", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
