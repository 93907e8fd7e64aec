"""The whole platform on one machine: `tapewire demo`."""
