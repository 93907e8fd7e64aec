"""Pictures of tapes: what is shown (chart.py), where it is read (timing.py, market.py), how it is drawn.

picture.py draws with matplotlib to a file, braille.py with dots to a terminal; both take the same Chart.
"""
