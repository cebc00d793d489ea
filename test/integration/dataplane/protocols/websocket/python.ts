/** Python's `websockets` on the client's side. */
import { expect } from 'chai';
import { Peer, PYTHON } from '../../../../support/peer.ts';

const PRELUDE = `
import asyncio, json, ssl, sys
import websockets
from websockets import connect

def tell(value): print(json.dumps(value), flush=True)

async def closed(peer):
    """How the peer's connection ended: our code and theirs."""
    try:
        while True: await asyncio.wait_for(peer.recv(), 5)
    except websockets.ConnectionClosed as end:
        return [end.rcvd.code if end.rcvd else None, end.rcvd.reason if end.rcvd else None]

async def raw(peer, send):
    """A frame of any kind, whole or not, right or wrong."""
    async with peer.send_context(): send(peer.protocol)

async def main(url):
`;

/** Runs the body of a coroutine that is given `url`; what it tells are the results, in order. */
export async function python(url: string, body: string): Promise<unknown[]> {
  const code = `${PRELUDE}${body.replace(/^/gmu, '    ')}\nasyncio.run(main(sys.argv[1]))`;
  const peer = new Peer(PYTHON, ['-c', code, url]);
  expect(await peer.exit, peer.stderr).to.equal(0);
  return peer.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}
