"""Runs the micro-benchmarks: one table per core module, in nanoseconds an operation."""

from __future__ import annotations

import argparse
import os
import sys

# numpy's threads would only take CPU from what is measured
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import bench_calls
import bench_connections
import bench_digest
import bench_parser
import bench_regex
import bench_stats
import bench_stream
import bench_template
import bench_tls
import bench_wheel
from timing import print_tables

BENCHMARKS = {
    "parser": bench_parser,
    "template": bench_template,
    "wheel": bench_wheel,
    "calls": bench_calls,
    "stats": bench_stats,
    "regex": bench_regex,
    "digest": bench_digest,
    "stream": bench_stream,
    "tls": bench_tls,
    "connections": bench_connections,
}


def main() -> int:
    """Prints the tables of the modules named on the command line, of all without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help=f"any of: {', '.join(BENCHMARKS)} (default: all)")
    names = parser.parse_args().modules or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    print_tables(BENCHMARKS[name].measure() for name in names)
    return 0


if __name__ == "__main__":
    sys.exit(main())
