"""Backup and restore, rehearsed: trade, back up while trading, lose the host, restore, verify, trade on."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tapewire import backup, consumers
from tapewire import messages as m
from tapewire.backup.manifest import Manifest, write_manifest
from tapewire.backup.restoring import EPOCHS_SKIPPED
from tapewire.client import OrderClient
from tapewire.errors import BackupError, TapeDamaged
from tapewire.folders import Folders
from tapewire.tape import TapeReader, TapeWriter, inspect, retention
from tests.engine_process import PATIENCE_S, ROOT, EngineProcess, order

ENGINE = "snapshot_every = 300"


def cli(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tapewire.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def told(*arguments: str | Path) -> Any:
    done = cli(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    (tmp_path / "host").mkdir()
    process = EngineProcess(tmp_path / "host", engine=ENGINE, segment_bytes=1 << 16)
    yield process
    process.close()


def trade(client: OrderClient, count: int) -> None:
    """Pairs that trade with each other, each answered."""
    for _ in range(count):
        for account, side in ((1, m.Side.buy), (2, m.Side.sell)):
            assert list(client.answers(order(client, side, 100, account=account), PATIENCE_S))


def records(tape: Path) -> list[bytes]:
    with TapeReader(tape, None, limit="written") as reader:
        return list(reader)


def test_a_lost_host_comes_back_from_a_backup_taken_while_it_traded(engine: EngineProcess, tmp_path: Path) -> None:
    engine.start()
    engine.wait_for_accounts(1, 2)
    copies, data = tmp_path / "copies", engine.folders.data
    settings = ("--data", data)
    with engine.client() as client:
        trade(client, 200)
        first = told("backup", copies, *settings)
        stop = threading.Event()
        meanwhile = list[dict[str, Any]]()

        def back_up() -> None:
            while not stop.is_set():
                meanwhile.append(told("backup", copies, *settings))

        thread = threading.Thread(target=back_up)
        thread.start()
        trade(client, 150)
        stop.set()
        thread.join()
        trade(client, 5)  # is lost
    last = meanwhile[-1]["tapes"][0]["last_seq"]
    assert last > first["tapes"][0]["last_seq"] > 500
    whole = sum(path.stat().st_size for path in (copies / "orders.0").rglob("*") if path.is_file())
    assert meanwhile[-1]["copied_bytes"] < whole, "sealed segments of the first are not copied again"
    assert told("backup", copies, "--verify")["tapes"][0]["last_seq"] == last
    before, epoch = records(engine.tape), inspect.inspect(engine.tape).epoch
    consumers.restore(engine.tape, "store", len(before), epoch)  # had everything, and is in no backup

    engine.kill()
    shutil.rmtree(data)
    shutil.rmtree(tmp_path / "host" / "rings")
    restored = cli("restore", copies, *settings)
    assert restored.returncode == 0, restored.stderr
    assert f"orders.0: records 1 to {last:,}" in restored.stdout
    assert "make sure that the lost host stays off" in restored.stdout
    assert records(engine.tape) == before[:last]
    assert inspect.inspect(engine.tape).epoch > epoch + EPOCHS_SKIPPED
    verified = cli("verify", *settings)
    assert verified.returncode == 0, verified.stderr + verified.stdout

    recovered = engine.start()
    assert recovered["next_seq"] > last
    with engine.client(from_seq=last + 1) as client:
        trade(client, 3)
    after = [m.decode(raw) for raw in records(engine.tape)[last:]]
    assert isinstance(after[0], m.EpochStarted)
    assert sum(isinstance(one, m.OrderExecuted) for one in after) >= 3
    assert cli("verify", *settings).returncode == 0
    refused = cli("backup", copies, *settings)  # the tape goes on from where the backup ends: it may be continued
    assert refused.returncode == 0, refused.stderr


def written(folder: Path, count: int, segment_bytes: int = 1 << 16, name: str = "orders.0") -> Folders:
    """A data folder with one tape of so many records."""
    folders = Folders(folder)
    folders.prepare(folder.parent / f"{folder.name}.rings")
    append(folders, count, segment_bytes, name)
    return folders


def append(
    folders: Folders, count: int, segment_bytes: int = 1 << 16, name: str = "orders.0", price: int = 100
) -> None:
    with TapeWriter(folders.tape(name), name, segment_bytes, "disk") as writer:
        for _ in range(count):
            writer.append(bytes(m.NewOrder(seq=writer.next_seq, ts=writer.next_seq, price=price, client_text="x" * 20)))
        writer.commit()


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("at", [0, 70_000, -1])
@pytest.mark.parametrize("kind", ["sealed", "part"])
def test_one_byte_that_changed_is_refused_with_file_and_place(tmp_path: Path, at: int, kind: str) -> None:
    folders = written(tmp_path / "data", 1500, 1 << 17)
    copies = tmp_path / "copies"
    manifest = backup.take(folders, "t", copies).manifest
    entry = next(one for one in manifest.tapes[0].segments if one.sealed == (kind == "sealed"))
    at = min(at, entry.bytes - 1) % entry.bytes
    path = copies / entry.path
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    where = f"damaged between byte {at - at % 65536} and byte"
    empty = Folders(tmp_path / "new")
    for act in (lambda: backup.verify(copies), lambda: backup.restore(copies, empty)):
        with pytest.raises(BackupError, match=where) as refused:
            act()
        assert str(path) in str(refused.value)
    assert not empty.tapes.exists()
    path.write_bytes(raw[:-1])
    with pytest.raises(BackupError, match=rf"{path}: damaged"):
        backup.verify(copies)
    path.unlink()
    with pytest.raises(BackupError, match=rf"{path}: cannot be read"):
        backup.restore(copies, empty)


def test_a_manifest_that_was_changed_is_refused(tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    backup.take(written(tmp_path / "data", 10), "t", copies)
    path = copies / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"last_seq":10', b'"last_seq":11'))
    with pytest.raises(BackupError, match="SHA-256"):
        backup.verify(copies)


def test_a_manifest_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    import msgspec

    copies = tmp_path / "copies"
    made = backup.take(written(tmp_path / "data", 10), "t", copies).manifest
    tape = made.tapes[0]
    for field in ("path", "to"):
        bad = msgspec.structs.replace(tape.segments[0], **{field: "../../evil"})
        changed = msgspec.structs.replace(tape, segments=(bad,))
        write_manifest(copies, Manifest(format=1, taken_ns=0, env="t", version="0", tapes=(changed,)))
        with pytest.raises(BackupError, match="not within"):
            backup.restore(copies, Folders(tmp_path / "new"))


def test_restore_refuses_a_folder_with_tapes_and_takes_one_that_a_killed_restore_left(tmp_path: Path) -> None:
    folders, copies = written(tmp_path / "data", 10), tmp_path / "copies"
    backup.take(folders, "t", copies)
    before = files(folders.tapes)
    with pytest.raises(BackupError, match="without tapes"):
        backup.restore(copies, folders)
    assert files(folders.tapes) == before
    new = Folders(tmp_path / "new")
    (new.data / "tapes.restoring" / "orders.0").mkdir(parents=True)
    made, _ = backup.restore(copies, new)
    assert [(one.name, one.last_seq) for one in made] == [("orders.0", 10)]
    assert records(new.tape("orders.0")) == records(folders.tape("orders.0"))


def test_consumers_that_had_come_further_are_taken_back(tmp_path: Path) -> None:
    folders, copies = written(tmp_path / "data", 10), tmp_path / "copies"
    consumers.restore(folders.tape("orders.0"), "sink.postgres", 99, 3)
    consumers.restore(folders.tape("orders.0"), "engine", 4, 2)
    backup.take(folders, "t", copies)
    new = Folders(tmp_path / "new")
    [made], _ = backup.restore(copies, new)
    assert made.taken_back == {"sink.postgres": 99}
    assert consumers.positions_and_epochs(new.tape("orders.0")) == {"sink.postgres": (10, 3), "engine": (4, 2)}


def test_only_what_is_new_is_copied_and_what_retention_removed_stays(tmp_path: Path) -> None:
    folders, copies = written(tmp_path / "data", 3000, name="md.x"), tmp_path / "copies"
    tape = folders.tape("md.x")
    whole = backup.take(folders, "t", copies)
    again = backup.take(folders, "t", copies)
    assert whole.copied_files == len(inspect.segments(tape)) > 3
    assert again.copied_files == 1
    append(folders, 10, name="md.x")
    consumers.restore(tape, "archive", 3010, 0)
    retention.carry_out(retention.plan(tape, retention.Policy(max_bytes=1), 1 << 62))
    assert len(inspect.segments(tape)) < len(whole.manifest.tapes[0].segments)
    kept = backup.take(folders, "t", copies).manifest.tapes[0]
    assert (kept.first_seq, kept.last_seq) == (1, 3010)
    backup.verify(copies)
    pruned = backup.take(folders, "t", copies, prune=True).manifest.tapes[0]
    assert pruned.first_seq == inspect.segments(tape)[0].first_seq > 1
    backup.verify(copies)
    new = Folders(tmp_path / "new")
    backup.restore(copies, new)
    assert records(new.tape("md.x")) == records(tape)


def test_retention_waits_for_the_backup_if_asked_to(tmp_path: Path) -> None:
    folders, copies = written(tmp_path / "data", 1000), tmp_path / "copies"
    tape = folders.tape("orders.0")
    backup.take(folders, "t", copies, hold=True)
    held = inspect.segments(tape)[-1].first_seq
    append(folders, 3000)
    plan = retention.plan(tape, retention.Policy(max_bytes=1), 1 << 62)
    assert plan.first_seq_kept == held
    assert "consumer backup" in plan.kept_because


def test_a_tape_that_lost_its_tail_or_is_another_one_leaves_the_backup_alone(tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    folders = written(tmp_path / "data", 500)
    backup.take(folders, "t", copies)
    before = files(copies)
    shutil.rmtree(folders.tape("orders.0"))
    append(folders, 400)
    with pytest.raises(BackupError, match="ends with record 400, and the backup with 500"):
        backup.take(folders, "t", copies)
    append(folders, 200, price=7)
    with pytest.raises(BackupError, match="has another record 500"):
        backup.take(folders, "t", copies)
    with pytest.raises(BackupError, match="environment 't'"):
        backup.take(folders, "u", copies)
    assert files(copies) == before


def test_a_damaged_tape_is_not_backed_up(tmp_path: Path) -> None:
    folders, copies = written(tmp_path / "data", 500), tmp_path / "copies"
    segment = inspect.segments(folders.tape("orders.0"))[0].path
    raw = bytearray(segment.read_bytes())
    raw[5000] ^= 1
    segment.write_bytes(raw)
    with pytest.raises(TapeDamaged, match=str(segment)):
        backup.take(folders, "t", copies)
    assert not (copies / "manifest.json").exists()


def test_a_backup_within_the_data_or_of_foreign_files_is_refused(tmp_path: Path) -> None:
    folders = written(tmp_path / "data", 5)
    with pytest.raises(BackupError, match="within the data folder"):
        backup.take(folders, "t", folders.data / "copies")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").touch()
    with pytest.raises(BackupError, match=r"letter\.txt"):
        backup.take(folders, "t", tmp_path / "home")


def test_a_killed_run_leaves_the_backup_before_it(tmp_path: Path) -> None:
    folders, copies = written(tmp_path / "data", 20_000, 1 << 20), tmp_path / "copies"
    backup.take(folders, "t", copies)
    append(folders, 40_000, 1 << 20)
    code = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tapewire import backup\n"
        "from tapewire.folders import Folders\n"
        "def told(name, done, total):\n"
        "    if done == total - 1: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"backup.take(Folders(Path({str(folders.data)!r})), 't', Path({str(copies)!r}), progress=told)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert backup.verify(copies).tapes[0].last_seq == 20_000
    assert backup.take(folders, "t", copies).manifest.tapes[0].last_seq == 60_000
    assert backup.verify(copies).tapes[0].last_seq == 60_000


def test_an_orders_tape_without_beginning_needs_a_snapshot(tmp_path: Path) -> None:
    folders, copies = written(tmp_path / "data", 3000), tmp_path / "copies"
    tape = folders.tape("orders.0")
    consumers.restore(tape, "engine", 3000, 0)
    retention.carry_out(retention.plan(tape, retention.Policy(max_bytes=1), 1 << 62))
    with pytest.raises(BackupError, match="no snapshot of the engine"):
        backup.take(folders, "t", copies)
