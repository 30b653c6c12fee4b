"""One decoder under atheris: `python -m tests.fuzz.atheris_run NAME CORPUS [libFuzzer options]`.

Runs in atheris' own environment, with the project's packages on PYTHONPATH.
"""

from __future__ import annotations

import hashlib
import importlib
import sys
from pathlib import Path


def main() -> None:
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["nenghao"]):
        decoders = importlib.import_module("tests.fuzz.decoders")
    name, corpus, *options = sys.argv[1:]
    decoder = decoders.DECODERS[name]
    for seed in decoder.seeds:
        (Path(corpus) / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    atheris.Setup([sys.argv[0], *options, corpus], decoder)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
