"""Echo servers of every protocol, in Python. Prints where each listens as one JSON object, and runs until stdin ends.

Arguments: a directory for sockets, a certificate with its key, and the names of pairs of named pipes.
"""
import json, os, socket, ssl, sys, threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from websockets.sync.server import serve

directory, certificate, key, *fifos = sys.argv[1:]
places = {}


def spawn(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()


def echo_bytes(connection):
    with connection:
        try:
            while chunk := connection.recv(65536):
                connection.sendall(chunk)
            if not isinstance(connection, ssl.SSLSocket):
                connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def accept(listening, serve_one):
    while True:
        connection, _ = listening.accept()
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        spawn(serve_one, connection)


def echo_datagrams(bound):
    while True:
        message, source = bound.recvfrom(65536)
        if source:
            bound.sendto(message, source)


def echo_packets(connection):
    """Until the end, which Python cannot tell from an empty message."""
    with connection:
        while message := connection.recv(1 << 20):
            connection.send(message)


def tcp():
    listening = socket.create_server(('127.0.0.1', 0), backlog=512)
    return listening, listening.getsockname()[1]


listening, places['TCP'] = tcp()
spawn(accept, listening, echo_bytes)

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
listening, places['TLS'] = tcp()


def echo_tls(connection):
    try:
        echo_bytes(context.wrap_socket(connection, server_side=True))
    except OSError:
        pass


spawn(accept, listening, echo_tls)

udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('127.0.0.1', 0))
places['UDP'] = udp.getsockname()[1]
spawn(echo_datagrams, udp)

for name, kind in [
    ('UnixDomainSocket', socket.SOCK_STREAM),
    ('UnixDatagram', socket.SOCK_DGRAM),
    ('UnixSeqpacket', socket.SOCK_SEQPACKET),
]:
    places[name] = os.path.join(directory, f'server-{name}')
    bound = socket.socket(socket.AF_UNIX, kind)
    bound.bind(places[name])
    if kind == socket.SOCK_DGRAM:
        spawn(echo_datagrams, bound)
    else:
        bound.listen(512)
        spawn(accept, bound, echo_bytes if kind == socket.SOCK_STREAM else echo_packets)


def echo_websocket(connection):
    for message in connection:
        connection.send(message)


ANSWER = json.dumps({'JSONSocketVersion': 1, 'JSONSocketStatus': 200}).encode()


def echo_json_bytes(connection):
    header = b''
    while not header.endswith(b'}'):
        header += connection.recv(1)
    assert json.loads(header)['JSONSocketVersion'] == 1
    connection.sendall(ANSWER)
    echo_bytes(connection)


def echo_json_datagrams(bound):
    while True:
        message, source = bound.recvfrom(65536)
        bound.sendto(ANSWER if b'JSONSocketVersion' in message else message, source)


listening, places['JSONSocket over TCP'] = tcp()
spawn(accept, listening, echo_json_bytes)
json_udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
json_udp.bind(('127.0.0.1', 0))
places['JSONSocket over UDP'] = json_udp.getsockname()[1]
spawn(echo_json_datagrams, json_udp)


def echo_fifo(path):
    """One session after the other; the end to read is closed first, so that no later session finds it."""
    while True:
        reader, writer = os.open(path, os.O_RDONLY), os.open(f'{path}.reply', os.O_WRONLY)
        try:
            while rest := memoryview(os.read(reader, 65536)):
                while rest:
                    rest = rest[os.write(writer, rest):]
        except BrokenPipeError:
            pass
        os.close(reader)
        os.close(writer)


for name in fifos:
    places[name] = os.path.join(directory, f'server-{name}')
    os.mkfifo(places[name])
    os.mkfifo(f'{places[name]}.reply')
    spawn(echo_fifo, places[name])

websocket = serve(echo_websocket, '127.0.0.1', 0, max_size=None, compression=None)
places['WebSocket'] = websocket.socket.getsockname()[1]
spawn(websocket.serve_forever)


class EchoRequest(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True

    def do_POST(self):
        """Answers chunk by chunk, while the request still comes."""
        self.send_response(200)
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        while size := int(self.rfile.readline(), 16):
            chunk = self.rfile.read(size)
            self.rfile.readline()
            self.wfile.write(b'%x\r\n%s\r\n' % (size, chunk))
        self.rfile.readline()
        self.wfile.write(b'0\r\n\r\n')

    do_GET = do_POST

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True


http = Server(('127.0.0.1', 0), EchoRequest)
places['HTTP'] = http.server_port
spawn(http.serve_forever)

print(json.dumps(places), flush=True)
sys.stdin.read()
os._exit(0)
