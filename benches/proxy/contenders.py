"""The proxies that are compared, each with the configuration it is run with.

All have one worker, no access log, keep-alive to the origin and to the clients without a limit of requests, and the
same key, certificate and cipher suite. By default the rivals add no header at all to a request, which is less work
than Slipway does; with `same_headers` they send what ingress-nginx sends.
"""

import time
from dataclasses import dataclass, field
from pathlib import Path

from machine import Failed, Process, free_port, wait_for_port
import client
import manifests

HOST = "bench.test"


@dataclass
class Bench:
    """What all contenders of one run share."""

    work: Path
    programs: dict
    proxy_core: int
    load_core: int
    origin_port: int = 0
    other_origin_port: int = 0
    same_headers: bool = False
    generator: str = "auto"
    cipher: str = "TLS_AES_256_GCM_SHA384"
    certificate: Path = None
    key: Path = None


@dataclass
class Running:
    """A proxy that answers."""

    name: str
    process: Process
    http: int
    https: int
    extra: dict = field(default_factory=dict)


def start(name, bench):
    """Starts one contender and waits until it forwards a request."""
    running = STARTERS[name](bench)
    running.process.check()
    return running


def start_origin(bench, name, port):
    """The origin behind every contender: nginx with a 64-byte and a 100 KB answer."""
    home = _home(bench, name)
    (home / "big").write_bytes(bytes(65 + i % 26 for i in range(100 * 1024)))
    (home / "nginx.conf").write_text(ORIGIN.format(port=port, home=home, small=SMALL))
    process = Process(name, [bench.programs["nginx"], "-p", home, "-c", home / "nginx.conf"], bench.load_core, home / "log")
    wait_for_port(port, process)
    return process


SMALL = "0123456789abcdef" * 4


def _nginx(bench):
    home, http, https = _home(bench, "nginx"), free_port(), free_port()
    headers = NGINX_HEADERS if bench.same_headers else ""
    text = NGINX.format(home=home, http=http, https=https, host=HOST, headers=headers, b=bench)
    (home / "nginx.conf").write_text(text)
    command = [bench.programs["nginx"], "-p", home, "-c", home / "nginx.conf"]
    process = Process("nginx", command, bench.proxy_core, home / "log")
    wait_for_port(http, process)
    return Running("nginx", process, http, https)


def _haproxy(bench, mode="http"):
    home, http, https = _home(bench, f"haproxy-{mode}"), free_port(), free_port()
    pem = home / "both.pem"
    pem.write_text(bench.certificate.read_text() + bench.key.read_text())
    headers = HAPROXY_HEADERS if bench.same_headers else ""
    template = HAPROXY if mode == "http" else RAW
    (home / "haproxy.cfg").write_text(template.format(http=http, https=https, pem=pem, headers=headers, b=bench))
    command = [bench.programs["haproxy"], "-db", "-f", home / "haproxy.cfg"]
    name = "haproxy" if mode == "http" else "raw"
    process = Process(name, command, bench.proxy_core, home / "log")
    wait_for_port(http, process)
    return Running(name, process, http, https)


def _raw(bench):
    return _haproxy(bench, "tcp")


def _slipway(bench):
    home = _home(bench, "slipway")
    directory = home / "manifests"
    directory.mkdir(exist_ok=True)
    manifests.write(directory / "bench.json", manifests.site(HOST, bench.origin_port, bench.certificate, bench.key))
    return slipway(bench, directory)


def slipway(bench, directory, name="slipway", settings=(), ready_secs=120):
    """Starts Slipway over a directory of manifests and waits until it is ready."""
    http, https, health = free_port(), free_port(), free_port()
    command = [bench.programs["slipway"], "ingress", "--manifests", directory, "--workers", 1]
    command += ["--http-port", http, "--https-port", https, "--healthz-port", health]
    for setting in (*SLIPWAY_SETTINGS, *settings):
        command += ["--set", setting]
    process = Process(name, command, bench.proxy_core, _home(bench, name) / "log")
    wait_for_port(health, process, ready_secs)
    _wait_ready(process, health, ready_secs)
    wait_for_port(http, process)
    return Running(name, process, http, https, {"health": health, "directory": directory})


def _wait_ready(process, port, deadline_secs):
    end = time.monotonic() + deadline_secs
    while time.monotonic() < end:
        process.check()
        try:
            if client.fetch(port, "/readyz", "localhost")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.02)
    raise Failed(f"{process.name} was not ready within {deadline_secs} s: see {process.log}")


def _home(bench, name):
    home = bench.work / name
    home.mkdir(parents=True, exist_ok=True)
    return home


STARTERS = {"nginx": _nginx, "haproxy": _haproxy, "slipway": _slipway, "raw": _raw}

# The rivals keep connections open without counting requests; so does Slipway here.
SLIPWAY_SETTINGS = (
    "disable-access-log=true",
    "keep-alive-requests=1000000000",
    "upstream-keepalive-requests=1000000000",
    "ssl-redirect=false",
    "hsts=false",
)

ORIGIN = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {home}/pid;
error_log stderr crit;
user root;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  sendfile on;
  open_file_cache max=16 inactive=1h;
  client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
  uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
  default_type text/plain;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ return 200 "{small}"; }}
    location = /big {{ root {home}; }}
  }}
}}
"""

NGINX_HEADERS = """
      proxy_set_header X-Request-ID $request_id;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Scheme $scheme;
      proxy_set_header X-Scheme $scheme;
"""

# proxy_buffering off is the default of ingress-nginx; it is what its users have.
NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {home}/pid;
error_log stderr crit;
user root;
events {{ worker_connections 32768; multi_accept on; }}
http {{
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
  uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
  upstream origin {{
    server 127.0.0.1:{b.origin_port};
    keepalive 320;
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
  }}
  ssl_protocols TLSv1.3;
  ssl_conf_command Ciphersuites {b.cipher};
  ssl_session_cache shared:ssl:10m;
  server {{
    listen 127.0.0.1:{http} backlog=4096 reuseport;
    listen 127.0.0.1:{https} ssl backlog=4096 reuseport;
    server_name {host};
    ssl_certificate {b.certificate};
    ssl_certificate_key {b.key};
    location / {{
      proxy_pass http://origin;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_buffering off;
      {headers}
    }}
  }}
}}
"""

HAPROXY_HEADERS = """
  http-request set-header X-Request-ID %[uuid]
  http-request set-header X-Real-IP %[src]
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Port %[dst_port]
  http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Scheme http
  http-request set-header X-Scheme http
""".replace("{{", "{").replace("}}", "}")

HAPROXY = """
global
  nbthread 1
  maxconn 16000
  no strict-limits
  ssl-default-bind-ciphersuites {b.cipher}
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout http-keep-alive 600s
  http-reuse always
frontend web
  bind 127.0.0.1:{http} backlog 4096
  bind 127.0.0.1:{https} ssl crt {pem} alpn http/1.1 backlog 4096
  {headers}
  default_backend origin
backend origin
  server one 127.0.0.1:{b.origin_port} pool-max-conn 320
"""

# Bytes both ways without looking at them: the limit for a proxy that copies in user space.
RAW = """
global
  nbthread 1
  maxconn 16000
  no strict-limits
defaults
  mode tcp
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend web
  bind 127.0.0.1:{http} backlog 4096
  default_backend origin
backend origin
  server one 127.0.0.1:{b.origin_port}
"""
