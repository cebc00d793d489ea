"""Stands for otel/opentelemetry-collector with its debug exporter: prints the texts in what it is sent, each on a line of its own."""

import http.server
import re
import socketserver


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        for text in re.findall(rb"[\x20-\x7e]{4,}", self.body()):
            print(text.decode(), flush=True)
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def body(self):
        if "content-length" in self.headers:
            return self.rfile.read(int(self.headers["content-length"]))
        chunks = []
        while chunks[-1:] != [b""]:  # chunked: RFC 9112, section 7.1, without extensions and trailers
            chunks.append(self.rfile.read(int(self.rfile.readline(), 16)))
            self.rfile.readline()
        return b"".join(chunks)

    def log_message(self, *args):
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True


Server(("", 4318), Handler).serve_forever()
