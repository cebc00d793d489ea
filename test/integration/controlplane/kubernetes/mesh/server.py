"""Prints its name to whoever asks: by HTTP on port 8080, by TCP on 9000, by UDP on 5000; over IPv4 and IPv6."""

import http.server
import socket
import socketserver
import sys
import threading

NAME = (sys.argv[1] + "\n").encode()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", str(len(NAME)))
        self.end_headers()
        self.wfile.write(NAME)

    def log_message(self, *args):
        pass


class Stream(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(65536)
        self.request.sendall(NAME)


class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        self.request[1].sendto(NAME, self.client_address)


class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128


class Datagrams(socketserver.ThreadingUDPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


for server in (Server(("", 9000), Stream), Datagrams(("", 5000), Datagram)):
    threading.Thread(target=server.serve_forever, daemon=True).start()
Server(("", 8080), Handler).serve_forever()
