"""A JSONSocket peer: `peer.py client|server TRANSPORT ADDRESS [PORT]`; what it sees goes to stdout, a JSON value a line.

Clients send the messages that come on stdin, a JSON string a line; the first is the header as it is. Servers answer the
first message of a client with what stands in $ANSWER, and echo all others.
"""
import asyncio
import json
import os
import socket
import sys

role, transport, address, *rest = sys.argv[1:]
port = int(rest[0]) if rest else 0
ANSWER = os.environ.get('ANSWER', '{"JSONSocketVersion": 1, "JSONSocketStatus": 200, "JSONSocketMessage": "OK"}')


def tell(value):
    print(json.dumps(value), flush=True)


def messages():
    for line in sys.stdin:
        yield json.loads(line)


def datagram_client(family, target, own=None):
    with socket.socket(family, socket.SOCK_DGRAM) as peer:
        peer.settimeout(5)
        if own is not None:
            peer.bind(own)
        peer.connect(target)
        for message in messages():
            peer.send(message.encode())
            tell(peer.recv(65536).decode())


def datagram_server(family, own):
    with socket.socket(family, socket.SOCK_DGRAM) as peer:
        peer.bind(own)
        tell(peer.getsockname())
        known = {}
        while True:
            message, source = peer.recvfrom(65536)
            tell(message.decode())
            if known.get(source) in (None, message):
                known[source] = message
                # The first answer is lost where the test says so.
                if os.environ.pop('LOSE', None) is None:
                    peer.sendto(ANSWER.encode(), source)
            else:
                peer.sendto(message, source)


def tcp_client():
    with socket.create_connection((address, port), timeout=5) as peer:
        for message in messages():
            peer.sendall(message.encode())
        peer.shutdown(socket.SHUT_WR)
        got = b''
        while chunk := peer.recv(65536):
            got += chunk
        tell(got.decode())


def tcp_server():
    with socket.create_server((address, port)) as listener:
        tell(listener.getsockname())
        while True:
            peer, _ = listener.accept()
            with peer:
                got = peer.recv(65536)
                tell(got.decode())
                peer.sendall(ANSWER.encode())
                while chunk := peer.recv(65536):
                    peer.sendall(chunk)


def kind_of(message):
    text = isinstance(message, str)
    return {'text': text, 'message': message if text else message.decode()}


async def websocket_client():
    import websockets

    async with websockets.connect(address) as peer:
        for message in messages():
            await peer.send(message)
            answer = await peer.recv()
            tell(kind_of(answer))


async def websocket_server():
    import websockets

    async def serve(peer):
        tell(kind_of(await peer.recv()))
        await peer.send(ANSWER)
        async for message in peer:
            tell(kind_of(message))
            await peer.send(message)

    async with websockets.serve(serve, address, port) as server:
        tell(server.sockets[0].getsockname())
        await asyncio.Future()


if transport == 'websocket':
    asyncio.run(websocket_client() if role == 'client' else websocket_server())
elif transport == 'tcp':
    tcp_client() if role == 'client' else tcp_server()
elif transport == 'udp':
    datagram_client(socket.AF_INET, (address, port)) if role == 'client' else datagram_server(socket.AF_INET, (address, port))
elif role == 'client':
    datagram_client(socket.AF_UNIX, address, address + '.client')
else:
    datagram_server(socket.AF_UNIX, address)
