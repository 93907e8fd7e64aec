"""Builds the compiled core: every `_<noun>.pyx` is one module; all else about the distribution is in pyproject.toml.

What a module must be built again for is read from its sources: the headers it includes, and those that they include.
"""

import os
import re
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

FOLDERS = ["tapewire", "services"]
# Below bench/ are native loops for measuring: those asked for are built by bench/build.py, none is distributed.
MEASURING = [Path(f"bench/{name}.pyx") for name in os.environ.get("TAPEWIRE_BENCH", "").split()]
INCLUDE = re.compile(r'^\s*(?:#?include|cdef extern from) "((?:tapewire|services|bench)/[^"]+)"', re.MULTILINE)
FLAGS = ["-std=c++20", "-O3", "-g0", "-fno-plt", "-Wall", "-Wextra", "-Wno-unused-function"]
FLAGS += ["-Wno-missing-field-initializers"]


def headers(source: Path, found: set[str]) -> set[str]:
    """The headers that `source` includes, directly or through others, as paths from the root."""
    for name in INCLUDE.findall(source.read_text()):
        if name not in found:
            found.add(name)
            headers(Path(name), found)
    return found


def module(source: Path) -> Extension:
    return Extension(
        ".".join(source.with_suffix("").parts),
        [str(source)],
        depends=sorted(headers(source, set())),
        include_dirs=["."],
        language="c++",
        extra_compile_args=FLAGS,
    )


modules = [module(source) for folder in FOLDERS for source in sorted(Path(folder).rglob("_[a-z]*.pyx"))]
modules += [module(source) for source in MEASURING]
setup(
    ext_modules=cythonize(modules, nthreads=os.cpu_count(), quiet=True),
    options={"build_ext": {"parallel": os.cpu_count()}},
)
