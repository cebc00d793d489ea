"""Sends payloads to a listener in front of an echo server, and compares what comes back. Prints one JSON object.

Arguments: the listener's protocol; its port, path or address; whether the other side has messages, too; whether either
side may lose what comes too fast; the largest message that both sides can carry; whether both can carry an empty one;
whether all payloads go through one session.
"""
import hashlib, json, os, random, signal, sys, threading
from clients import CLIENTS, LIMIT

protocol, place = sys.argv[1:3]
has_messages, lossy, has_empty, one_session = (sys.argv[at] == '1' for at in (3, 4, 6, 7))
largest = int(sys.argv[5])
# What may be under way where something may be lost, in bytes and messages.
WINDOW, MESSAGES = 24_000, 24
Client = CLIENTS[protocol]
boundaries = Client.messages and has_messages


def digest(messages):
    if boundaries:
        return hashlib.sha256(json.dumps([hashlib.sha256(each).hexdigest() for each in messages]).encode()).hexdigest()
    return hashlib.sha256(b''.join(messages)).hexdigest()


def exchange(messages):
    """Sends all, takes as much back, ends, and expects the end. None, or what was wrong."""
    try:
        if one_session:
            return converse(shared, messages)
        client = Client(place)
        try:
            return converse(client, messages) or end(client)
        finally:
            client.close()
    except Exception as error:
        return repr(error)


def end(client):
    if Client.half_close:
        client.end()
        if extra := client.receive():
            return f'{len(extra)} bytes too many'
    return None


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
signal.alarm(35)  # named pipes have no time limits
shared = Client(place) if one_session else None
print(json.dumps({name: exchange(messages) for name, messages in payloads.items()}))
