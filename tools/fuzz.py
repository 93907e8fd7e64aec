"""`python -m tools.fuzz [--seconds N] [--seed N] [TARGET...]`: arbitrary bytes into the parts that must bear anything.

Each target is one file of tests/fuzz, compiled with AddressSanitizer, UndefinedBehaviorSanitizer and the core's own
invariants. Where a clang with libFuzzer is installed (Debian: clang-14 with libclang-rt-14-dev) it follows coverage
and keeps its corpus in build/fuzz; else inputs of random bytes are generated. Either way tests/fuzz/input.hpp turns
bytes into commands. The time is shared out evenly. What is found is said with how to run it again; as an input in
tests/fuzz/inputs/TARGET it is run by the tests from then on.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click

from tools.native import COMMON, ROOT, SANITIZED, build

TARGETS = ("wire", "matcher", "core")
INPUTS = ROOT / "tests" / "fuzz" / "inputs"
CORPUS = ROOT / "build" / "fuzz"
CHECKS = ("-DTAPEWIRE_CHECK", "-D_GLIBCXX_ASSERTIONS")
LONGEST = 12_000
"""Bytes of an input: some five hundred commands."""
BEGINNINGS = 60


def clang() -> str | None:
    """The newest clang++ that comes with libFuzzer."""
    folders = (Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep))
    names = {path.name for folder in folders for path in folder.glob("clang++*")}
    versions = sorted(
        (int(name.partition("-")[2] or 0), name) for name in names if re.fullmatch(r"clang\+\+(-\d+)?", name)
    )
    for _, name in reversed(versions):
        probe = subprocess.run([name, "-print-runtime-dir"], capture_output=True, text=True, check=False)
        if probe.returncode == 0 and any(Path(probe.stdout.strip()).glob("libclang_rt.fuzzer*")):
            return shutil.which(name)
    return None


def standalone(target: str) -> Path:
    """The program of a target with the generator of tests/fuzz/target.hpp; any C++20 compiler makes it."""
    return build(f"tests/fuzz/{target}.cpp", *CHECKS, *SANITIZED)


def inputs(target: str) -> list[Path]:
    """What was found before, or is a good beginning."""
    return sorted((INPUTS / target).glob("*"))


def with_libfuzzer(compiler: str, target: str, seed: int, seconds: int) -> int:
    corpus, log = CORPUS / target, CORPUS / f"{target}.log"
    begin(corpus, seed)
    program = CORPUS / f"{target}.libfuzzer"
    flags: list[str] = [
        *COMMON,
        *CHECKS,
        *SANITIZED,
        "-fsanitize=fuzzer",
        "-DTAPEWIRE_LIBFUZZER",
        "-Wno-unused-private-field",
    ]
    subprocess.run([compiler, *flags, "-o", str(program), f"tests/fuzz/{target}.cpp"], cwd=ROOT, check=True)
    known = [INPUTS / target] if inputs(target) else []
    options = [f"-seed={seed}", f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-len_control=0", "-timeout=20"]
    options += ["-rss_limit_mb=3000", "-print_final_stats=1", f"-artifact_prefix={CORPUS}/found-{target}-"]
    print(f"{target}: libFuzzer, seed {seed}, {seconds} s, from {len(list(corpus.iterdir()))} inputs", flush=True)
    with log.open("w") as out:
        command = [program, *options, corpus, *known]
        code = subprocess.run(
            [*map(str, command)], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code:
        print(log.read_text()[-8000:])
    runs = re.search(r"^stat::number_of_executed_units: (\d+)", log.read_text(), re.MULTILINE)
    kept = f"{len(list(corpus.iterdir()))} kept in {corpus.relative_to(ROOT)}"
    print(f"{target}: {int(runs[1]) if runs else 0:,} inputs, {kept}; {log.relative_to(ROOT)}", flush=True)
    return code


def begin(corpus: Path, seed: int) -> None:
    """Whole markets to begin with: from nothing it takes libFuzzer long to write one."""
    corpus.mkdir(parents=True, exist_ok=True)
    if any(corpus.iterdir()):
        return
    generator = random.Random(seed)
    for i in range(BEGINNINGS):
        (corpus / f"random-{seed}-{i}").write_bytes(generator.randbytes(generator.randint(100, LONGEST)))


def generated(target: str, seed: int, seconds: int) -> int:
    program = standalone(target)
    if known := inputs(target):
        subprocess.run([program, *map(str, known)], cwd=ROOT, check=True)
    print(f"{target}: generated inputs, seed {seed}, {seconds} s", flush=True)
    return subprocess.run([program, str(seed), "0", str(10**12), str(seconds)], cwd=ROOT, check=False).returncode


@click.command()
@click.argument("targets", nargs=-1, type=click.Choice(TARGETS))
@click.option("--seconds", default=600, show_default=True, help="For all targets together.")
@click.option("--seed", default=1, show_default=True, help="The same seed generates the same inputs.")
def main(targets: tuple[str, ...], seconds: int, seed: int) -> None:
    """Feeds arbitrary bytes to TARGET..., by default to all."""
    compiler, wanted = clang(), targets or TARGETS
    share = max(seconds // len(wanted), 1)
    failed = []
    for target in wanted:
        code = with_libfuzzer(compiler, target, seed, share) if compiler else generated(target, seed, share)
        if code:
            failed.append(target)
    if failed:
        print(f"found something: {', '.join(failed)}; see above", file=sys.stderr)
        sys.exit(1)
    print("nothing was found")


if __name__ == "__main__":
    main()
