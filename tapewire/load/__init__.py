"""A load generator that does not omit what it had to wait for: orders at intended times, whatever the answers do.

schedule.py   steps of rates, and the intended time of each order
measure.py    latency from the intended time (corrected) and from the sending (uncorrected), by step
ring.py       through a ring of the engine
http.py       through the API
"""
