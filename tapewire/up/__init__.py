"""Every service of a configuration as a process of its own on this machine, kept running: `tapewire up`."""
