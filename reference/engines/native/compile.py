"""A child process of the build: an LLVM module on standard input, its object on standard output."""

from __future__ import annotations

import sys

from assay64.reference.engines.native.build import compile_module

if __name__ == "__main__":
    sys.stdout.buffer.write(compile_module(sys.stdin.read(), int(sys.argv[1])))
