#!/usr/bin/env bash
# Says what is missing on this host before anything is installed.
set -u
fail() { printf 'tapewire: %s\n' "$1" >&2; exit 1; }
[ "$(uname -s)" = Linux ] || fail "needs Linux (futex, fdatasync, /dev/shm); this is $(uname -s)"
command -v python3 >/dev/null || fail "python3 not found. Debian: apt-get install python3 python3-venv python3-dev"
python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
  fail "needs CPython 3.11 to 3.13, found $(python3 --version). Put another python3 first in PATH"
python3 -c 'import ensurepip, venv' 2>/dev/null || fail "python3 has no venv module. Debian: apt-get install python3-venv"
python3 -c 'import os, sysconfig, sys; sys.exit(not os.path.exists(os.path.join(sysconfig.get_paths()["include"], "Python.h")))' ||
  fail "Python.h not found. Debian: apt-get install python3-dev"
cxx=${CXX:-$(command -v c++ || command -v g++)}
command -v "${cxx:-c++}" >/dev/null ||
  fail "no C++ compiler found (the core is compiled on this machine). Debian: apt-get install g++"
echo 'int main(){}' | "$cxx" -std=c++20 -x c++ -o /dev/null - 2>/dev/null ||
  fail "the C++ compiler does not take -std=c++20 (g++ 10 or clang 12 is enough): $("$cxx" --version 2>&1 | head -1)"
