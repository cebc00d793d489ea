"""Sends payloads to a listener in front of an echo server, and compares what comes back. Prints one JSON object.

Arguments: the listener's protocol; its port or path; whether the other side has messages, too; whether either side may
lose what comes too fast; the largest message that both sides can carry; whether both can carry an empty one.
"""
import hashlib, json, os, random, select, socket, ssl, sys, threading
from websockets.sync.client import connect

protocol, place, has_messages, lossy, largest = sys.argv[1], sys.argv[2], sys.argv[3] == '1', sys.argv[4] == '1', int(sys.argv[5])
has_empty = sys.argv[6] == '1'
LIMIT = 8
# What may be under way where something may be lost, in bytes and messages.
WINDOW, MESSAGES = 24_000, 24


class Bytes:
    """A byte stream."""
    messages = False
    half_close = True

    def __init__(self):
        self.socket = self.dial()
        self.socket.settimeout(LIMIT)

    def dial(self):
        return socket.create_connection(('127.0.0.1', int(place)))

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
        connection.connect(place)
        return connection


class Tls(Bytes):
    """Python's ssl can neither end one side, nor read and write in two threads at once."""
    half_close = False

    def __init__(self):
        super().__init__()
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
    def __init__(self):
        super().__init__()
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
        connection.connect(('127.0.0.1', int(place)))
        return connection

    def send(self, data):
        self.socket.send(data)


class UnixDatagram(Udp):
    def dial(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        connection.bind('')  # a name of the kernel's choice
        connection.connect(place)
        return connection


class Seqpacket(Udp):
    half_close = True

    def dial(self):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.connect(place)
        return connection

    def receive(self):
        return self.socket.recv(1 << 20)


class WebSocket:
    messages = True
    half_close = False

    def __init__(self):
        self.connection = connect(f'ws://127.0.0.1:{place}', max_size=None, compression=None)

    def send(self, data):
        self.connection.send(data)

    def receive(self):
        return self.connection.recv(LIMIT)

    def close(self):
        self.connection.close()


CLIENTS = {
    'TCP': Bytes, 'TLS': Tls, 'HTTP': Http, 'UDP': Udp, 'WebSocket': WebSocket,
    'UnixDomainSocket': Unix, 'UnixDatagram': UnixDatagram, 'UnixSeqpacket': Seqpacket,
}
Client = CLIENTS[protocol]
boundaries = Client.messages and has_messages


def digest(messages):
    if boundaries:
        return hashlib.sha256(json.dumps([hashlib.sha256(each).hexdigest() for each in messages]).encode()).hexdigest()
    return hashlib.sha256(b''.join(messages)).hexdigest()


def exchange(messages):
    """Sends all, takes as much back, ends, and expects the end. None, or what was wrong."""
    client = Client()
    try:
        return converse(client, messages)
    except Exception as error:
        return repr(error)
    finally:
        client.close()


def converse(client, messages):
    total = sum(map(len, messages))
    received, state = [], {'bytes': 0}
    changed = threading.Condition()

    def send():
        sent = 0
        for message in messages:
            with changed:
                if lossy:
                    room = min(WINDOW, MESSAGES * len(message))
                    changed.wait_for(lambda: sent + len(message) - state['bytes'] <= room, LIMIT)
            client.send(message)
            sent += len(message)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    while len(received) < len(messages) if boundaries else state['bytes'] < total:
        chunk = client.receive()
        if not chunk and not boundaries and not Client.messages:
            return f'ended after {state["bytes"]} of {total} bytes'
        with changed:
            received.append(chunk)
            state['bytes'] += len(chunk)
            changed.notify()
    thread.join(LIMIT)
    if digest(received) != digest(messages):
        return f'{len(messages)} messages of {total} bytes came back as {len(received)} of {state["bytes"]}, changed'
    if Client.half_close:
        client.end()
        if extra := client.receive():
            return f'{len(extra)} bytes too many'
    return None


def cut(size):
    return [os.urandom(min(largest, size - at)) for at in range(0, size, largest)]


generator = random.Random(os.urandom(8))
small = [os.urandom(generator.randint(1, 40)) for _ in range(10_000)]
payloads = {
    'empty': [b''] if boundaries and has_empty else [],
    'one byte': [b'x'],
    '1 MiB': cut(1 << 20),
    '10,000 messages': small,
}
print(json.dumps({name: exchange(messages) for name, messages in payloads.items()}))
