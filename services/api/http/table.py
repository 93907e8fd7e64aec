"""All endpoints: what is routed, and what the OpenAPI document says."""

from __future__ import annotations

from services.api.http import access, accounts, markets, orders, pages, parents, state
from services.api.http.call import Endpoint


def endpoints() -> tuple[Endpoint, ...]:
    """The table, in the order of the document."""
    modules = (markets, orders, accounts, parents, state, access, pages)
    return tuple(one for module in modules for one in module.ENDPOINTS)
