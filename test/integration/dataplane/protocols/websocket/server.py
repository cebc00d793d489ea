"""A WebSocket server: its port goes to stdout, then, a JSON value a line, what it sees. `server.py [CERT KEY]`

The path says what a connection is for: /refuse/STATUS answers the handshake with it, /close closes with 4002 `enough`,
/large sends 2,000 bytes, /broken sends text that is no UTF-8; all others echo.
"""
import asyncio
import json
import ssl
import sys
from urllib.parse import urlsplit

import websockets


def tell(**value):
    print(json.dumps(value), flush=True)


def refuse(connection, request):
    path = urlsplit(request.path).path
    if path.startswith('/refuse/'):
        return connection.respond(int(path.split('/')[2]), 'not you\n')


def choose(connection, offered):
    return next((name for name in ['chat.v2', 'chat.v3'] if name in offered), None)


async def serve(peer):
    headers = {name.lower(): value for name, value in peer.request.headers.raw_items()}
    tell(path=peer.request.path, headers=headers, extensions=[each.name for each in peer.protocol.extensions])
    path = urlsplit(peer.request.path).path
    if path == '/close':
        await peer.close(4002, 'enough')
    if path == '/large':
        await peer.send(bytes(2000))
    if path == '/broken':
        async with peer.send_context():
            peer.protocol.send_text(b'\xff')
    try:
        async for message in peer:
            tell(kind='text' if isinstance(message, str) else 'bytes')
            await peer.send(message)
    except websockets.ConnectionClosed:
        pass
    tell(code=peer.close_code, reason=peer.close_reason)


async def main():
    context = None
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
    options = {'process_request': refuse, 'select_subprotocol': choose, 'ssl': context}
    async with websockets.serve(serve, '127.0.0.1', 0, **options) as server:
        tell(port=server.sockets[0].getsockname()[1])
        await asyncio.Future()


asyncio.run(main())
