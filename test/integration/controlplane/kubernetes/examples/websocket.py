"""`URL SUBPROTOCOL TEXT`: sends a text by WebSocket, and prints the subprotocol and what comes back. An empty SUBPROTOCOL: none."""

import asyncio
import sys

import websockets


async def main(url, subprotocol, text):
    async with websockets.connect(url, subprotocols=[subprotocol] if subprotocol else None) as socket:
        await socket.send(text)
        answer = await asyncio.wait_for(socket.recv(), 10)
        print(socket.subprotocol, answer if isinstance(answer, str) else answer.decode())


asyncio.run(main(*sys.argv[1:]))
