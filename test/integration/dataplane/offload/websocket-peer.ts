/** What sends and receives over WebSocket in tests of spliced connections. */

/**
 * `ROLE ADDRESS PORT [OPTION=NUMBER…]`: Python's `websockets`, connecting or listening; as TCP_PEER it sends and receives at a time, here
 * messages of all sizes, and reports. What it is told on its standard input: `send N` (bytes), `stop` (being endless), `half N` (of a
 * message of so many bytes the first half of the frame), `rest` (the other one), `odd` (packets with IP options from now on), `ping` (it
 * answers when the pong has come), `begin` and `end` (a message of two fragments), `close CODE`, `report`.
 *
 * Options: `endless`, `compress`.
 */
export const WEBSOCKET_PEER = `
import hashlib, itertools, json, os, queue, random, socket, sys, threading
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import serve
role, address, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
options = {name: int(value) for name, value in (word.split('=') for word in sys.argv[4:])}
def tell(what): print(json.dumps(what), flush=True)
block = os.urandom(1 << 20)
sizes = itertools.cycle([0, 1, 125, 126, 127, 1000, 65_535, 65_536, 200_000])
sent, received = hashlib.sha256(), hashlib.sha256()
counts = {'sent': 0, 'received': 0}
result = {'end': None}
orders = queue.Queue()
stopping = threading.Event()
# It reads nothing while it waits for room to write: so neither may be far ahead of the other.
AHEAD = 1 << 18
moved = threading.Condition()
def count(kind, digest, message):
    data = message.encode() if isinstance(message, str) else message
    digest.update(b'%s %d ' % (b'text' if isinstance(message, str) else b'bytes', len(data))); digest.update(data)
    with moved: counts[kind] += len(data); moved.notify()
def message(most):
    size = min(next(sizes), most)
    if random.random() < 0.5: return 'x' * size
    start = random.randrange(len(block) - size)
    return block[start:start + size]
def send(peer, text_or_bytes):
    peer.send(text_or_bytes)
    count('sent', sent, text_or_bytes)
def sender(peer):
    halves = {}
    try:
        while True:
            while options.get('endless') and not stopping.is_set():
                with moved: moved.wait_for(lambda: counts['sent'] - counts['received'] < AHEAD or stopping.is_set())
                send(peer, message(AHEAD))
            words = orders.get()
            if words[0] == 'send':
                goal = counts['sent'] + int(words[1])
                while counts['sent'] < goal: send(peer, message(goal - counts['sent']))
            elif words[0] == 'half':
                whole = block[:int(words[1])]
                with peer.protocol_mutex:
                    peer.protocol.send_binary(whole)
                    frame = b''.join(peer.protocol.data_to_send())
                peer.socket.sendall(frame[:len(frame) // 2])
                halves = {'whole': whole, 'rest': frame[len(frame) // 2:]}
                tell({'answer': True})
            elif words[0] == 'rest':
                peer.socket.sendall(halves['rest']); count('sent', sent, halves['whole'])
            elif words[0] in ('begin', 'end'):
                with peer.protocol_mutex:
                    if words[0] == 'begin': peer.protocol.send_text(b'be', fin=False)
                    else: peer.protocol.send_continuation(b'gun', fin=True)
                    peer.socket.sendall(b''.join(peer.protocol.data_to_send()))
                if words[0] == 'end': count('sent', sent, 'begun')
            elif words[0] == 'odd':
                peer.socket.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b'\\x01' * 4)
            elif words[0] == 'ping':
                tell({'answer': peer.ping().wait(20)})
            elif words[0] == 'close':
                peer.close(int(words[1]), 'enough'); return
    except (ConnectionClosed, OSError):
        pass
def report(kind): tell({kind: True, **counts, **result, 'sentHash': sent.hexdigest(), 'receivedHash': received.hexdigest()})
def commands():
    for line in sys.stdin:
        words = line.split()
        if words[0] == 'report': report('report')
        elif words[0] == 'stop':
            with moved: stopping.set(); moved.notify()
        else: orders.put(words)
def talk(peer):
    tell({'connected': True, 'extensions': [each.name for each in peer.protocol.extensions]})
    threading.Thread(target=sender, args=[peer], daemon=True).start()
    try:
        while True: count('received', received, peer.recv())
    except ConnectionClosed as closed:
        result['end'] = f'{closed.rcvd.code} {closed.rcvd.reason}' if closed.rcvd else 'cut'
    report('done')
    os._exit(0)
threading.Thread(target=commands, daemon=True).start()
# Pings of their own would be answers that nobody told them to give.
settings = {'compression': 'deflate' if options.get('compress') else None, 'max_size': None, 'ping_interval': None}
if role == 'client':
    with connect(f'ws://{address}:{port}/', proxy=None, **settings) as peer: talk(peer)
else:
    with serve(talk, address, port, **settings) as server:
        tell({'ready': True})
        server.serve_forever()
`;
