"""The state as of a past record, within what the author may see."""

from __future__ import annotations

from services.api import types
from services.api.http.call import Call
from services.api.hub.errors import Busy, Superseded, TooOld
from services.api.problems import Problem


async def as_of(call: Call, seq: int) -> types.AsOf:
    """Raises Problem (404, 410, 503)."""
    author = call.author
    try:
        return await call.api.hub.as_of(seq, author.name, author.visible)
    except TooOld as error:
        raise Problem(410, str(error), field="as_of", reason="too_old") from None
    except (Busy, Superseded, TimeoutError) as error:
        raise Problem(503, str(error) or "it took too long", reason="busy", headers={"Retry-After": "1"}) from None
