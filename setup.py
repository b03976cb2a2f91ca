"""Extension modules and build modes (SIPPX_BUILD=release|debug|trace|asan); metadata is in pyproject.toml."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

MODES: dict[str, tuple[list[str], list[str], dict[str, bool]]] = {
    # mode: (compile arguments, link arguments, Cython directives)
    "release": (["-O3", "-g1", "-fno-plt", "-fno-semantic-interposition"], [], {}),
    "debug": (["-O1", "-g3", "-DSIPPX_DEBUG=1"], [], {"boundscheck": True}),
    "trace": (["-O1", "-g3", "-DSIPPX_DEBUG=1", "-DCYTHON_TRACE=1"], [], {"linetrace": True, "profile": True}),
    "asan": (
        ["-O1", "-g3", "-DSIPPX_DEBUG=1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"],
        ["-fsanitize=address,undefined"],
        {},
    ),
}

mode = os.environ.get("SIPPX_BUILD", "release")
if mode not in MODES:
    raise SystemExit(f"SIPPX_BUILD={mode!r}: use one of {', '.join(MODES)}")
compile_args, link_args, directives = MODES[mode]

extensions = [
    Extension(
        f"sippx._core.{path.stem}",
        [str(path)],
        extra_compile_args=["-std=gnu11", "-Wno-unused-function", "-Wno-sign-compare", *compile_args],
        extra_link_args=link_args,
    )
    for path in sorted(Path("sippx/_core").glob("*.pyx"))
]

jobs = int(os.environ.get("SIPPX_BUILD_JOBS", str(os.cpu_count() or 1)))

setup(
    ext_modules=cythonize(
        extensions,
        compiler_directives={
            "language_level": 3,
            "binding": True,
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
            "embedsignature": False,
            **directives,
        },
        emit_linenums=mode != "release",
        nthreads=jobs,
        force=mode != "release",
    ),
    options={"build_ext": {"parallel": jobs}},
)
