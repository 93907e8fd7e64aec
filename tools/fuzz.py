"""`python -m tools.fuzz [--seconds N] [--seed N] [TARGET...]`: arbitrary bytes into the parts that must bear anything.

Each target is one file of tests/fuzz, compiled with AddressSanitizer, UndefinedBehaviorSanitizer and the invariants
of the core. Where a clang with libFuzzer is installed it follows coverage and keeps its corpus in build/fuzz; else
inputs of random bytes are generated, which tests/fuzz/input.hpp turns into commands either way. The time is shared
out evenly.
What is found is said with how to run it again; as an input in tests/fuzz/inputs/TARGET it stays found.
"""

from __future__ import annotations

import os
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
    corpus = CORPUS / target
    corpus.mkdir(parents=True, exist_ok=True)
    program = CORPUS / f"{target}.libfuzzer"
    flags = [*COMMON, *CHECKS, *SANITIZED, "-fsanitize=fuzzer", "-DTAPEWIRE_LIBFUZZER", "-Wno-unused-private-field"]
    subprocess.run([compiler, *flags, "-o", program, f"tests/fuzz/{target}.cpp"], cwd=ROOT, check=True)
    known = [INPUTS / target] if inputs(target) else []
    options = [
        f"-seed={seed}",
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        "-timeout=20",
        "-rss_limit_mb=3000",
    ]
    options += ["-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={CORPUS}/found-{target}-"]
    print(f"{target}: libFuzzer, seed {seed}, {seconds} s, {len(list(corpus.iterdir()))} inputs kept", flush=True)
    code = subprocess.run([program, *options, corpus, *known], cwd=ROOT, check=False).returncode
    print(f"{target}: {len(list(corpus.iterdir()))} inputs kept in {corpus.relative_to(ROOT)}", flush=True)
    return code


def generated(target: str, seed: int, seconds: int) -> int:
    program = standalone(target)
    if known := inputs(target):
        subprocess.run([program, *known], cwd=ROOT, check=True)
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
