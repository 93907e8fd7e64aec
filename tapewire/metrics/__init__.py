"""What the platform says about itself in numbers: one table of metrics, read from outside at scrape time.

definitions.py   every metric: name, kind, unit, help, labels; docs, dashboards and alerts are made from it
reading.py       a host's pages, tapes, rings, processes, disks and clock, as samples of those metrics
exposition.py    the same for Prometheus

No service is asked and none is slowed down: pages are shared memory, tapes are read as any reader does.
"""
