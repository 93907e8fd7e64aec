"""What every feed has, whatever its venue speaks: its session, its books, and the sequencer that numbers its messages.

    frame, time ──▶ session ──updates──▶ publisher ──▶ ring ──▶ flusher
                    (a venue's own)          └───────▶ bus

A venue's protocol is a subclass of `session.VenueSession`: in the connector for WebSockets, in the gateway for FIX.
"""
