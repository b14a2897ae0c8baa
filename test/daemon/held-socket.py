"""In systemd's stead: holds a listening socket, and runs a program that serves it, as sd_listen_fds(3) says.

usage: held-socket.py ADDRESS PROGRAM ARGUMENT...
Starts the program anew for each line on standard input, and says so; ends it at the end of the input.
"""
import ctypes
import os
import signal
import socket
import sys

PR_SET_PDEATHSIG = 1

address, program = sys.argv[1], sys.argv[2:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(address)
listener.listen(128)


def start():
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.dup2(listener.fileno(), 3)
        os.set_inheritable(3, True)
        os.execvpe(program[0], program, {**os.environ, 'LISTEN_PID': str(os.getpid()), 'LISTEN_FDS': '1'})
    return child


def stop(child):
    os.kill(child, signal.SIGTERM)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


child = start()
for _ in sys.stdin:
    code = stop(child)
    child = start()
    print(code, flush=True)
sys.exit(stop(child))
