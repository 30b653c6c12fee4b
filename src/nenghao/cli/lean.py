"""Libraries without what they only take along: a small gateway's memory is for reading meters.

structlog imports rich wherever it is installed, and httpx its own command line with click, rich
and a highlighter of source texts: nine megabytes of every device. Both do without where these are
absent, and nobody here misses them: `output` prints tracebacks plainly, and nobody runs httpx's
command. So they are absent for the moment of the import. Whoever shows a help page or a table
imports rich then.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

_TAKEN_ALONG = {"structlog": "rich", "httpx": "click"}
"""By the library: the package without which it leaves all that away."""


def load(name: str) -> ModuleType:
    """Import one of these libraries; as it is everywhere else if somebody has it already."""
    burden = _TAKEN_ALONG[name]
    if name in sys.modules or burden in sys.modules:
        return importlib.import_module(name)
    sys.modules[burden] = None  # type: ignore[assignment]  # what makes its import fail
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules[burden]


load("structlog")
