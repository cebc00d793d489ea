"""`VERSION`: what stands behind the Gateway of the operator's day. HTTP on 8080 tells the version; what comes on 7000 (TCP, UDP) and
8081 (WebSocket) goes back."""

import http.server
import socket
import socketserver
import sys
import threading

from websockets.sync.server import serve

TEXT = (sys.argv[1] + "\n").encode()


class Version(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Else the head waits for the body's segment to be acknowledged.
    disable_nagle_algorithm = True

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", str(len(TEXT)))
        self.end_headers()
        self.wfile.write(TEXT)

    def log_message(self, *args):
        pass


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128


def datagrams():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", 7000))
        while True:
            server.sendto(*server.recvfrom(65536))


def messages(connection):
    for message in connection:
        connection.send(message)


threads = (Server(("", 7000), Echo).serve_forever, datagrams, serve(messages, "", 8081).serve_forever)
for each in threads:
    threading.Thread(target=each, daemon=True).start()
Server(("", 8080), Version).serve_forever()
