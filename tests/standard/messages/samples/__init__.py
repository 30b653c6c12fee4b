"""The sample messages of annexes A and C, the artefacts of the print mended by hand.

Missing quotes and commas, comments and trailing commas are put right; `GUID` stands for a device
id of 32 characters. `register.request.as_printed` keeps the credit code of 17 characters, which
is against the form; `register.request` has the 18th.
"""

from pathlib import Path

_FOLDER = Path(__file__).parent

NAMES = sorted(path.stem for path in _FOLDER.glob("*.json"))
"""`register.request`, `register.response`, …: the names of the catalogue, and the printed one."""


def sample(name: str) -> bytes:
    """The body of a sample message."""
    return (_FOLDER / f"{name}.json").read_bytes()
