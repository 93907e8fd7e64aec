"""Compiles bench/_*.pyx, whose loops measure native code: beside the sources, and not into what users install."""

from __future__ import annotations

import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def compile_flags() -> list[str]:
    """Those of the core itself: what is measured is compiled as what is shipped."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    flags: list[str] = project["tool"]["setuptools"]["ext-modules"][0]["extra-compile-args"]
    return flags


def stale() -> list[str]:
    """The modules whose library is missing or older than any header or its own source."""
    headers = [*ROOT.glob("tapewire/**/*.hpp"), *ROOT.glob("services/**/*.hpp"), *ROOT.glob("bench/*.hpp")]
    newest_header = max(path.stat().st_mtime for path in headers)
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    out = []
    for source in sorted(ROOT.glob("bench/_*.pyx")):
        library = source.with_name(source.stem + suffix)
        if not library.exists() or library.stat().st_mtime < max(newest_header, source.stat().st_mtime):
            out.append(source.stem)
    return out


def build() -> None:
    """Compiles what is stale; run from the repository's root. The compiler's own words are on stderr."""
    names = stale()
    if not names:
        return
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension

    print(f"compiling the measuring loops ({', '.join(names)}) ...", file=sys.stderr)
    flags = compile_flags()
    modules = [
        Extension(f"bench.{name}", [f"bench/{name}.pyx"], language="c++", include_dirs=["."], extra_compile_args=flags)
        for name in names
    ]
    # A Distribution of our own: setup() would read pyproject.toml and build what is installed, too.
    compiled = cythonize(modules, quiet=True, force=True)  # type: ignore[no-untyped-call]
    command = Distribution({"name": "bench", "ext_modules": compiled}).get_command_obj("build_ext")
    command.inplace = True
    command.ensure_finalized()
    command.run()
