"""What the API knows of the platform, kept live: see hub.py."""

from services.api.hub.events import Event
from services.api.hub.hub import Hub

__all__ = ["Event", "Hub"]
