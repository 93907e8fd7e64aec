"""Whether a service is alive and ready: asked by HTTP, answered by a thread that does nothing else.

    with health.serve(settings, "engine") as told:        /live: yes; /ready: no, "starting"
        pulse = told.pulse("duty cycle")                  beat() in every turn: else /live says no
        told.check(ready=lambda: [...])                   reasons why not; none: ready
        told.drain()                                      /ready: no, "draining"

A service on an event loop calls `told.watch_loop(stop)`. `ask` is the other side: `tapewire health`, the monitor.
"""

from tapewire.health.asking import Answer, ask, ask_socket, sockets
from tapewire.health.served import Health, Pulse, serve

__all__ = ["Answer", "Health", "Pulse", "ask", "ask_socket", "serve", "sockets"]
