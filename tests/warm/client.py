"""What stands for the interpreter: it has a warm process forked with its own streams, folder and environment, passes
signals on to it, and ends as that ends. Loads nothing that takes time."""

import json
import os
import signal
import socket
import sys

PASSED_ON = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2}


def main() -> None:
    address, _, interpreter = os.environ["PENSTOCK_TESTS_WARM_SERVER"].partition(":")
    arguments = sys.argv[1:]
    if arguments[:2] in (["-m", "penstock"], ["-P", "-c"]) or arguments[:1] == ["-c"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)  # until there is somebody to pass them on to
        ask(address, arguments)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)  # the server refuses: it was started in another way
    os.execv(interpreter, [interpreter, *arguments])


def ask(address: str, arguments: list[str]) -> None:
    """End as the process ends that is forked; return if none is."""
    given = [0, 1, 2, *(number for number in map(int, os.listdir("/proc/self/fd")) if number > 2 and is_given(number))]
    wish = {"arguments": arguments, "folder": os.getcwd(), "environment": dict(os.environ), "descriptors": given}
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [b"\n"], given)
        server.sendall(json.dumps(wish).encode() + b"\n")
        answers = server.makefile()
        pid = int(answers.readline())
        if not pid:
            return
        for number in PASSED_ON:
            signal.signal(number, lambda number, _: os.kill(pid, number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        code = int(answers.readline())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    os._exit(code)


def is_given(number: int) -> bool:
    """Tell whether who called us handed on that descriptor; our own are closed when another program begins."""
    try:
        return os.get_inheritable(number)
    except OSError:  # what listed the folder is closed again
        return False


main()
