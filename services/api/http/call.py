"""What an endpoint is given: who asks, and what for, decoded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from services.api.authors import Author
from services.api.desk import Response
from services.api.http.messages import Reply, Request
from services.api.sessions import Login
from services.api.tape import Origin

if TYPE_CHECKING:
    from services.api.app import Api

OPEN: Final = ""
"""Scope of an endpoint that anybody may ask."""
ANY: Final = "any"
"""Scope of one that every key and user may ask."""


class Call:
    """One request to one endpoint."""

    __slots__ = ("api", "author", "body", "login", "origin", "path", "query", "request")

    def __init__(
        self, api: Api, request: Request, path: Mapping[str, str], author: Author, login: Login | None
    ) -> None:
        self.api, self.request, self.path, self.author, self.login = api, request, path, author, login
        self.query: Any = None
        """Of the endpoint's type."""
        self.body: Any = None
        self.origin: Origin | None = None
        """Of one that changes something."""


Result = Response | Reply
Handle = Callable[[Call], Result | Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A line of the table that routing and the OpenAPI document are made from."""

    method: str
    path: str
    """Such as `/v1/orders/{order_id}`."""
    handle: Handle
    summary: str
    description: str
    tag: str
    answers: Mapping[int, tuple[type[Struct], str]]
    """By status: the shape, and when."""
    scope: str = "read"
    query: type[Struct] | None = None
    body: type[Struct] | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    """What the parts of the path are."""
    problems: tuple[int, ...] = ()
    """Statuses of refusals besides those that every endpoint has."""
    example: Mapping[str, object] | None = None
    """A body."""
    early: bool = False
    """Answered while the tape is still being read, too."""

    @property
    def writes(self) -> bool:
        return self.method not in ("GET", "HEAD")

    @property
    def operation(self) -> str:
        """As it stands on the tape."""
        return f"{self.method} {self.path}"
