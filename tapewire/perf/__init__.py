"""Why a process does not run, and which system calls it makes: asked of the kernel, without touching the process.

threads.py    /proc: time on the CPU, waiting for one, asleep, and where it sleeps
tools.py      perf (counters and system calls by tracepoints), strace as a last resort; each says why it cannot
report.py     all of it for one service
"""
