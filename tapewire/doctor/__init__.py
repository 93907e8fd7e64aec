"""What a host must be for the figures of docs/latency.md to hold on it: checks, each with what to change and why."""
