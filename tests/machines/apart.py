"""Processes that are alone in the network: a namespace of their own, out of which only named ports of this machine can be reached.

Belongs here: starting such a process, and the relays that it has. Needs root and Linux; elsewhere the process is an ordinary one.
"""

import ctypes
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

CLONE_NEWNET = 0x40000000


def is_possible() -> bool:
    """Whether this account may make network namespaces."""
    with suppress(OSError):
        return subprocess.run(["unshare", "--net", "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0
    return False


def start(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path, ports: Sequence[int]
) -> "subprocess.Popen[bytes]":
    """Start a command apart, with `ports` of 127.0.0.1 being those of this machine; in a process group of its own."""
    alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"] if is_possible() else []
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*alone, *command], env=dict(environment), cwd=folder, stdout=output, stderr=output, start_new_session=True
        )
    if alone:
        here = Path("/proc/self/ns/net").stat().st_ino
        while Path(f"/proc/{process.pid}/ns/net").stat().st_ino == here:
            assert process.poll() is None, log.read_text()
        for port in ports:
            _relay(process.pid, port)
    return process


def _relay(pid: int, port: int) -> None:
    """Hand on what the process `pid` sends to 127.0.0.1:`port` to the same port here: a socket stays in the namespace it was made in."""
    listeners: list[socket.socket] = []

    def listen() -> None:
        with Path(f"/proc/{pid}/ns/net").open() as namespace:
            assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0
        listeners.append(socket.create_server(("127.0.0.1", port)))

    thread = threading.Thread(target=listen)  # the thread alone goes there, and ends
    thread.start()
    thread.join()
    (listener,) = listeners

    def accept() -> None:
        while True:
            theirs, _ = listener.accept()
            ours = socket.create_connection(("127.0.0.1", port))
            for source, target in ((theirs, ours), (ours, theirs)):
                threading.Thread(target=_pour, args=(source, target), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    for each in (source, target):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
