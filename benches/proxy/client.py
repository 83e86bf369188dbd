"""A small HTTP/1.1 client over raw sockets: equal bodies, propagation, idle connections."""

import socket
import ssl


class Connection:
    """One keep-alive connection; `get` returns (status, body)."""

    def __init__(self, port, timeout_secs=5.0, tls_name=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_secs)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls_name is not None:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            self.socket = context.wrap_socket(self.socket, server_hostname=tls_name)
        self.rest = b""

    def get(self, path, host):
        """Sends one request and reads its whole answer."""
        self.send(path, host)
        return self.receive()

    def send(self, path, host):
        """Sends one request."""
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())

    def receive(self):
        """Reads one answer: status and body."""
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(":", 1) for line in lines[1:] if ":" in line)
        status = int(lines[0].split()[1])
        if "chunked" in fields.get("transfer-encoding", ""):
            return status, self._chunks()
        return status, self._exactly(int(fields.get("content-length", "0")))

    def close(self):
        """Closes it."""
        self.socket.close()

    def _chunks(self):
        body = b""
        while True:
            size = int(self._line().split(b";")[0], 16)
            if size == 0:
                while self._line():
                    pass
                return body
            body += self._exactly(size)
            self._line()

    def _line(self):
        while b"\r\n" not in self.rest:
            self._more()
        line, _, self.rest = self.rest.partition(b"\r\n")
        return line

    def _exactly(self, size):
        while len(self.rest) < size:
            self._more()
        body, self.rest = self.rest[:size], self.rest[size:]
        return body

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("closed by the peer")
        self.rest += data


def fetch(port, path, host, tls_name=None):
    """One request on a connection of its own."""
    connection = Connection(port, tls_name=tls_name)
    try:
        return connection.get(path, host)
    finally:
        connection.close()


def cipher(port, name):
    """The cipher suite that a server agrees on with the usual preference of clients."""
    connection = Connection(port, tls_name=name)
    try:
        return connection.socket.cipher()[0]
    finally:
        connection.close()


def certificate(port, name):
    """The certificate that a server shows for a name, as DER."""
    connection = Connection(port, tls_name=name)
    try:
        return connection.socket.getpeercert(binary_form=True)
    finally:
        connection.close()
