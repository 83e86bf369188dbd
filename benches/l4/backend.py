#!/usr/bin/env python3
"""Answers every connection with the address that it came to, and ends it: backend.py PORT."""

import socket
import sys

with socket.create_server(("", int(sys.argv[1])), backlog=4096) as listener:
    while True:
        connection, _ = listener.accept()
        try:
            connection.sendall(connection.getsockname()[0].encode())
        except OSError:
            pass
        connection.close()
