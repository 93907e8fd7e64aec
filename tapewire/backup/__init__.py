"""Copies of a data folder's tapes: taken while everything runs, verified, and brought back on an empty host.

    <backup>/manifest.json                     what it holds, replaced in one step at the end of each run
             <tape>/<first>.seg                a sealed segment: copied once, never changed
             <tape>/<first>-<last>.part        the segment being written, up to its last durable record
             <tape>/<folder>/snapshots/….snap  states: the engine's own (no folder), the publisher's, the views'

How far each consumer of a tape had come stands in the manifest.

Secrets, rings, archives and what stands outside `tapes/` are not in it.
"""

from tapewire.backup.checking import verify
from tapewire.backup.manifest import Entry, Manifest, TapeEntry, read_manifest
from tapewire.backup.restoring import Restored, restore
from tapewire.backup.taking import Taken, take

__all__ = ["Entry", "Manifest", "Restored", "Taken", "TapeEntry", "read_manifest", "restore", "take", "verify"]
