"""`python -m tapewire.cli`: the command `tapewire`, where its script is not on PATH."""

from tapewire.cli import main

main()
