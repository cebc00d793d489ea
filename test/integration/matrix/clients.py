"""What the client of each protocol does, in Python: `send`, `receive`, `end` where it can end its side alone, and `close`."""
import json, os, select, socket, ssl, subprocess, threading
from websockets.sync.client import connect

# How long anything may take, in seconds.
LIMIT = 8


class Bytes:
    """A byte stream."""
    messages = False
    half_close = True

    def __init__(self, place):
        self.place = place
        self.socket = self.dial()
        self.socket.settimeout(LIMIT)

    def dial(self):
        return socket.create_connection(('127.0.0.1', int(self.place)))

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        return self.socket.recv(65536)

    def end(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()


class Unix(Bytes):
    def dial(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.place)
        return connection


class Tls(Bytes):
    """Python's ssl can neither end one side, nor read and write in two threads at once."""
    half_close = False

    def __init__(self, place):
        super().__init__(place)
        self.socket.setblocking(False)
        self.lock = threading.Lock()

    def dial(self):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(super().dial())

    def send(self, data):
        rest = memoryview(data)
        while rest:
            try:
                with self.lock:
                    rest = rest[self.socket.send(rest[:16384]):]
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                select.select([], [self.socket], [], LIMIT)

    def receive(self):
        while True:
            try:
                with self.lock:
                    return self.socket.recv(65536)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if not select.select([self.socket], [], [], LIMIT)[0]:
                    raise TimeoutError('timed out')


class Http(Bytes):
    """One POST, whose body and answer go on at once."""
    def __init__(self, place):
        super().__init__(place)
        self.socket.sendall(b'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n')
        self.answer = None

    def send(self, data):
        if data:
            self.socket.sendall(b'%x\r\n%s\r\n' % (len(data), data))

    def receive(self):
        if self.answer is None:
            self.answer = self.socket.makefile('rb')
            head = self.answer.readline()
            assert b' 200 ' in head, head
            lines = iter(lambda: self.answer.readline().strip().lower(), b'')
            self.empty = b'content-length: 0' in list(lines)
        if self.empty:
            return b''
        size = int(self.answer.readline() or b'0', 16)
        data = self.answer.read(size)
        self.answer.readline()
        return data

    def end(self):
        self.socket.sendall(b'0\r\n\r\n')


class Udp(Bytes):
    messages = True
    half_close = False

    def dial(self):
        connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        connection.connect(('127.0.0.1', int(self.place)))
        return connection

    def send(self, data):
        self.socket.send(data)


class UnixDatagram(Udp):
    def dial(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        connection.bind('')  # a name of the kernel's choice
        connection.connect(self.place)
        return connection


class Seqpacket(Udp):
    half_close = True

    def dial(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(self.place)
        return connection

    def receive(self):
        return self.socket.recv(1 << 20)


class WebSocket:
    messages = True
    half_close = False

    def __init__(self, place):
        self.connection = connect(f'ws://127.0.0.1:{place}', max_size=None, compression=None)

    def send(self, data):
        self.connection.send(data)

    def receive(self):
        return self.connection.recv(LIMIT)

    def close(self):
        self.connection.close()


class JsonTcp(Bytes):
    """A header, and its answer, before the payload."""
    def __init__(self, place):
        super().__init__(place)
        self.socket.sendall(HEADER)
        answer = b''
        while not answer.endswith(b'}'):
            answer += self.socket.recv(1)
        check(answer)


class JsonUdp(Udp):
    def __init__(self, place):
        super().__init__(place)
        self.socket.send(HEADER)
        check(self.socket.recv(65536))


HEADER = json.dumps({'JSONSocketVersion': 1, 'from': 'the matrix'}).encode()


def check(answer):
    assert json.loads(answer)['JSONSocketStatus'] == 200, answer


class Fifos:
    """One named pipe to write, one to read."""
    messages = False
    half_close = True

    def __init__(self, place):
        self.writer = os.open(place, os.O_WRONLY)
        self.reader = os.open(f'{place}.reply', os.O_RDONLY)

    def send(self, data):
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.writer, rest):]

    def receive(self):
        return os.read(self.reader, 65536)

    def end(self):
        os.close(self.writer)
        self.writer = None

    def close(self):
        if self.writer is not None:
            self.end()
        os.close(self.reader)


class Stdio(Fifos):
    """The standard input and output of `l7mp pipe - ADDRESS`, which ends with its session."""
    def __init__(self, place):
        self.child = subprocess.Popen(
            ['bin/l7mp', 'pipe', '-', place, '--half-close', '100'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self.writer, self.reader = os.dup(self.child.stdin.fileno()), os.dup(self.child.stdout.fileno())
        self.child.stdin.close()
        self.child.stdout.close()

    def close(self):
        super().close()
        assert self.child.wait(LIMIT) == 0, self.child.returncode


CLIENTS = {
    'TCP': Bytes, 'TLS': Tls, 'HTTP': Http, 'UDP': Udp, 'WebSocket': WebSocket,
    'UnixDomainSocket': Unix, 'UnixDatagram': UnixDatagram, 'UnixSeqpacket': Seqpacket,
    'JSONSocket over TCP': JsonTcp, 'JSONSocket over UDP': JsonUdp, 'Pipe': Fifos, 'Stdio': Stdio,
}
