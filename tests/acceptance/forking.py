"""`python -m nenghao …`, many times, without importing the same libraries every time.

Run as a program, this imports the command line and then forks a process for every call that comes
in over a socket: an own process with its own arguments, environment, output and exit code, which
runs `nenghao/__main__.py` from its beginning. The caller's side is `Commands`. What the imports
of a fresh process come to is proved elsewhere, and so is what a process does that keeps running.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

MODULES = ("platform", "platform_uplink", "ca", "device", "exchange", "exchange_account", "doctor")


class Commands:
    """Runs commands in children of one process, which ends with this one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nenghao-commands-")
        self._address = str(Path(self._folder.name) / "socket")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self._address)
            listener.listen(64)
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(listener.fileno())],
                stdin=subprocess.PIPE,
                env=environment,
                pass_fds=[listener.fileno()],
            )

    def close(self) -> None:
        self._process.communicate()  # it ends at the end of its input
        self._folder.cleanup()

    def run(self, arguments: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        """Run `nenghao ARGUMENTS` to its end, with nothing on stdin."""
        with (
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
            socket.socket(socket.AF_UNIX) as line,
        ):
            line.settimeout(timeout)
            line.connect(self._address)
            socket.send_fds(line, [b"\0"], [out.fileno(), err.fileno()])
            line.sendall(json.dumps([str(Path.cwd()), *arguments]).encode())
            line.shutdown(socket.SHUT_WR)
            with line.makefile() as said:
                number = int(said.readline())
                try:
                    code = int(said.readline())
                except TimeoutError:
                    os.kill(number, signal.SIGKILL)
                    raise
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read().decode())
        return subprocess.CompletedProcess(["nenghao", *arguments], code, *texts)


def serve(listener: socket.socket) -> None:
    """Fork for every call; returns in the child that is to run a command, else at the end."""
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if sys.stdin in ready:
            os._exit(0)
        line, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _take(line)
            return
        line.close()


def _take(line: socket.socket) -> None:
    """Fork once more: the child returns as the command, the parent tells its exit code."""
    _, (out, err), _, _ = socket.recv_fds(line, 1, 2)
    with line.makefile("rb") as asked:
        folder, *arguments = json.loads(asked.read())
    command = os.fork()
    if command:
        with contextlib.suppress(OSError):  # the caller may have given up
            line.sendall(f"{command}\n".encode())
            _, status = os.waitpid(command, 0)
            line.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    line.close()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in enumerate((nothing, out, err)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    sys.argv = ["nenghao", *arguments]


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file
    for module in MODULES:
        importlib.import_module(f"nenghao.cli.{module}")
    gc.freeze()
    serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("nenghao", run_name="__main__", alter_sys=True)
