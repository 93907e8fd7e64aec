from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from tapewire.cli import SERVICES, cli

ROOT = Path(__file__).resolve().parents[2]


def test_help_teaches_the_first_steps_and_names_every_command_with_a_line() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    assert "tapewire sub 'demo.*.trade.*'" in result.output
    listed = [line.split(maxsplit=1) for line in result.output.splitlines() if line.startswith("  ")]
    lines = {words[0]: words[1] for words in listed if len(words) == 2}
    commands = {p.stem.replace("_", "-") for p in (ROOT / "tapewire/cli").glob("*.py") if not p.stem.startswith("_")}
    assert commands | set(SERVICES) <= set(lines)


def test_version_is_that_of_the_distribution() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.output.startswith("tapewire, version ")


def test_an_expected_error_is_one_clear_line_and_exit_code_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["config", "show", "--config", str(tmp_path / "none.toml")])
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        f"tapewire: {tmp_path}/none.toml: no such file. Name one with --config or TAPEWIRE_CONFIG"
    ]


def test_with_debug_the_error_keeps_its_traceback(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["--debug", "config", "show", "--config", str(tmp_path / "none.toml")])
    assert type(result.exception).__name__ == "ConfigError"


def test_an_option_that_stands_a_word_too_late_is_told_where_it_belongs(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["operator", "halt", "BTCUSDT", "--data", str(tmp_path)])
    assert result.exit_code == 2
    told = "No such option '--data'. It is one of `cli operator` and stands right behind that."
    assert told in " ".join(result.output.split())


@pytest.mark.parametrize(
    "command",
    [("tape", "ls"), ("health",), ("top", "--json"), ("trace", "1"), ("query", "trades", "X"), ("latest", "X")],
)
def test_every_command_that_takes_a_data_folder_takes_a_file_of_settings(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    result = CliRunner().invoke(cli, [*command, "--config", str(tmp_path / "none.toml")])
    assert (result.exit_code, result.output) == (
        1,
        f"tapewire: {tmp_path}/none.toml: no such file. Name one with --config or TAPEWIRE_CONFIG\n",
    )


def test_an_unknown_command_is_refused() -> None:
    result = CliRunner().invoke(cli, ["nonesuch"])
    assert result.exit_code == 2
    assert "nonesuch" in result.output


def test_a_service_gets_its_arguments_untouched(tmp_path: Path) -> None:
    package = tmp_path / "services" / "engine"
    package.mkdir(parents=True)
    (tmp_path / "services" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys, json; print(json.dumps(sys.argv[1:]))")
    code = "from tapewire.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "engine", "--help", "--shard", "3", "x"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["--help", "--shard", "3", "x"]


def test_the_command_starts_without_the_heavy_libraries() -> None:
    heavy = {"nats", "pyarrow", "duckdb", "structlog", "rich"}
    code = f"import sys, tapewire.cli; print(*sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.slow
def test_the_command_starts_in_120_ms_on_a_quiet_machine() -> None:
    code, best = "from tapewire.cli import main; main()", 1.0
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, check=True)
        best = min(best, time.perf_counter() - began)
    assert best < 0.12
