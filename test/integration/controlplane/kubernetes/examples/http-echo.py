"""Stands for hashicorp/http-echo: answers every request with a text, and prints a line for each but the probes."""

import http.server
import socketserver
import sys

OPTIONS = dict(word.lstrip("-").split("=", 1) for word in sys.argv[1:])
TEXT = (OPTIONS["text"] + "\n").encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", str(len(TEXT)))
        self.end_headers()
        self.wfile.write(TEXT)
        if not self.headers.get("user-agent", "").startswith("kube-probe"):
            print(self.path, flush=True)

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("", int(OPTIONS["listen"].lstrip(":"))), Handler).serve_forever()
