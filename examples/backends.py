#!/usr/bin/env python3
"""Small HTTP backends for the examples: backends.py NAME:PORT... answers with the name and what it was asked."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def handler(name):
    """Answers that say who they come from."""

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = f"{name}: {self.command} {self.path} for {self.headers['Host']}\n".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_):
            pass

    return Answer


def main():
    """Starts them all and waits for Ctrl-C."""
    pairs = [argument.split(":") for argument in sys.argv[1:]] or sys.exit(__doc__)
    servers = [ThreadingHTTPServer(("127.0.0.1", int(port)), handler(name)) for name, port in pairs]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
