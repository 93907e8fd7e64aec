"""Tapes on other hosts: what is sent, how it is judged, who may write. Pure but for `host.py` and `state.py`."""
