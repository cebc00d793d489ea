/** Three hosts in a row, as network namespaces, and the peers in them. */
import { execFileSync, spawnSync } from 'node:child_process';

export const PLACES = ['client', 'proxy', 'server'] as const;
export type Place = (typeof PLACES)[number] | typeof BETWEEN | typeof BEHIND;
/** Hosts that only some tests have: see `putWire` and `putBehind`. */
const BETWEEN = 'wire';
const BEHIND = 'behind';
export const namespace = (place: Place): string => `l7mp-${process.pid}-${place}`;
/** How long a peer waits for an answer, in s. */
const TIMEOUT = '3';
/** How long a peer that sends until it is told to stop rests after each, in s: all others work on the same processors. */
const REST = '0.0002';

export function ip(command: string): void {
  execFileSync('ip', command.split(' '), { stdio: 'pipe' });
}

/** Several commands of `ip` in a place, by one process. */
function ipBatch(place: Place, commands: readonly string[]): void {
  execFileSync('ip', ['-n', namespace(place), '-batch', '-'], { input: commands.join('\n'), stdio: 'pipe' });
}

/** Runs a command in a place. */
export function inPlace(place: Place, command: string): string {
  const words = ['netns', 'exec', namespace(place), ...command.split(' ')];
  return execFileSync('ip', words, { encoding: 'utf8', stdio: 'pipe' });
}

/** client .1 --- .2 proxy .1 --- .2 server, over 10.1.0.0/24 and 10.2.0.0/24, fd01::/64 and fd02::/64 */
export function buildLab(): void {
  PLACES.forEach(addPlace);
  connect('client', 'proxy', 1);
  connect('proxy', 'server', 2);
}

export function removeLab(): void {
  const commands = ([...PLACES, BETWEEN, BEHIND] as const).map((place) => `netns del ${namespace(place)}`);
  // Forced: most tests have only some of them.
  spawnSync('ip', ['-force', '-batch', '-'], { input: commands.join('\n') });
}

function addPlace(place: Place): void {
  ip(`netns add ${namespace(place)}`);
  // All that is sent in vain is told of, not one packet a second.
  inPlace(place, 'sysctl -qw net.ipv4.icmp_ratemask=0 net.ipv6.icmp.ratelimit=0');
  ip(`-n ${namespace(place)} link set lo up`);
}

/** `name` tells links between the same two apart. */
export function connect(left: Place, right: Place, net: number, name = ''): void {
  const [leftEnd, rightEnd] = [`to-${right}${name}`, `to-${left}${name}`];
  ip(`link add ${leftEnd} netns ${namespace(left)} type veth peer name ${rightEnd} netns ${namespace(right)}`);
  address(left, leftEnd, net, 1);
  address(right, rightEnd, net, 2);
}

export function address(place: Place, device: string, net: number, host: number): void {
  ipBatch(place, [
    `address add 10.${net}.0.${host}/24 dev ${device}`,
    `address add fd0${net}::${host}/64 dev ${device} nodad`,
    `link set ${device} up`,
  ]);
}

/** A place in the middle of the link between two others, whose devices `left` and `right` pass nothing by themselves: see `WIRE`. */
export function putWire(sides: readonly [Place, Place] = ['client', 'proxy']): void {
  addPlace(BETWEEN);
  const wire = namespace(BETWEEN);
  const net = sides.includes('client') ? 1 : 2;
  ip(`-n ${namespace(sides[0])} link del to-${sides[1]}`);
  for (const [index, end] of (['left', 'right'] as const).entries()) {
    const [place, far] = index === 0 ? sides : ([sides[1], sides[0]] as const);
    const device = `to-${far}`;
    ip(`link add ${device} netns ${namespace(place)} type veth peer name ${end} netns ${wire}`);
    ip(`-n ${wire} link set ${end} up`);
    address(place, device, net, index + 1);
    // What user space reads from a device has no checksum where that is left to the device.
    inPlace(place, `ethtool -K ${device} tx off`);
  }
}

/** A host behind the server, which routes to it: 10.3.0.2 and fd03::2, over a link of this MTU. */
export function putBehind(mtu: number): void {
  addPlace(BEHIND);
  connect('server', BEHIND, 3);
  narrowBehind(mtu);
  inPlace('server', 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
  for (const [place, net, gateway] of [
    ['proxy', 3, '2.0.2'],
    [BEHIND, 2, '3.0.1'],
  ] as const) {
    const six = `fd0${gateway.replace('.0.', '::')}`;
    ip(`-n ${namespace(place)} route add 10.${net}.0.0/24 via 10.${gateway}`);
    ip(`-n ${namespace(place)} route add fd0${net}::/64 via ${six}`);
  }
}

/** From now on, its link has this MTU. */
export function narrowBehind(mtu: number): void {
  ip(`-n ${namespace('server')} link set to-${BEHIND} mtu ${mtu}`);
  ip(`-n ${namespace(BEHIND)} link set to-server mtu ${mtu}`);
}

/**
 * Sends datagrams of all sizes with random contents, each after the echo of the one before: so many of them, or, where
 * that is 0, until its standard input ends, with a rest between them. Prints how many they were, and their bytes.
 */
export const CLIENT = `
import os, random, select, socket, sys
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(${TIMEOUT})
s.bind((sys.argv[1], int(sys.argv[2]))); s.connect((sys.argv[3], int(sys.argv[4])))
count = int(sys.argv[5]); sent = total = 0
while sent < count or (count == 0 and not select.select([sys.stdin], [], [], ${REST})[0]):
    data = os.urandom(random.randint(0, 1400)); s.send(data); sent += 1; total += len(data)
    assert s.recv(2000) == data, 'another datagram came back'
print(sent, total)`;

export const SERVER = `
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], int(sys.argv[2]))); print('ready', flush=True)
while True:
    data, where = s.recvfrom(2000); s.sendto(data, where)`;

/** The contents of datagrams by number, so that either end can tell what should be in them; and trains of them. */
const DATAGRAMS = `
import hashlib, json, select, socket, struct, sys, time
SEGMENT, GRO, RCVBUFFORCE = 103, 104, 33  # linux/udp.h, asm-generic/socket.h
def content(number, size):
    return struct.pack('>I', number) + hashlib.shake_128(struct.pack('>I', number)).digest(size - 4)
def open_socket(address, port, gro):
    s = socket.socket(socket.AF_INET6 if ':' in address else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, 1 << 24)
    if gro: s.setsockopt(socket.SOL_UDP, GRO, 1)
    s.bind((address, port)); return s
def receive(s):
    data, notes, _, where = s.recvmsg(65535, 64)
    size = next((struct.unpack_from('i', value)[0] for _, kind, value in notes if kind == GRO), len(data))
    return data, size, where
def send(s, data, size, where=None):
    notes = [(socket.SOL_UDP, SEGMENT, struct.pack('H', size))] if size < len(data) else []
    s.sendmsg([data], notes, 0, *([where] if where else []))`;

/**
 * Sends numbered datagrams, \`train\` in one call, a few calls at a time, and takes what comes back, in any order and
 * number: until \`count\` are sent, or, where that is 0, its standard input ends. Those that are \`idle\` seconds late are taken for lost.
 * Arguments: both ends, and a JSON object.
 * Prints what went and came, and how many of those that came were not what was sent.
 */
export const STREAM = `${DATAGRAMS}
o = {'count': 0, 'size': 1400, 'train': 1, 'gro': False, 'idle': 2, **json.loads(sys.argv[5])}
s = open_socket(sys.argv[1], int(sys.argv[2]), o['gro']); s.connect((sys.argv[3], int(sys.argv[4])))
sent = out = received = back = wrong = refused = 0
came = set()
def size_of(number): return 4 + (number // o['train'] * 389) % (o['size'] - 3)
while sent < o['count'] if o['count'] else not select.select([sys.stdin], [], [], ${REST})[0]:
    for _ in range(8):
        size = size_of(sent)
        data = b''.join(content(number, size) for number in range(sent, sent + o['train']))
        try: send(s, data, size)
        except OSError: refused += 1; time.sleep(0.001); continue
        sent += o['train']; out += len(data)
    quiet = time.monotonic() + o['idle']
    while len(came) < sent and select.select([s], [], [], max(0, quiet - time.monotonic()))[0]:
        try: data, size, _ = receive(s)
        except OSError: refused += 1; continue
        for at in range(0, len(data), size):
            one = data[at:at + size]; number = struct.unpack_from('>I', one)[0]
            wrong += number >= sent or one != content(number, size_of(number))
            came.add(number); received += 1; back += len(one)
        quiet = time.monotonic() + o['idle']
print(json.dumps({'sent': {'packets': sent, 'bytes': out}, 'received': {'packets': received, 'bytes': back},
    'distinct': len(came), 'wrong': wrong, 'refused': refused}))`;

/** Sends back what comes, in trains as they came. Arguments: address, port, and \`gro\` where it takes trains. */
export const TRAIN_SERVER = `${DATAGRAMS}
s = open_socket(sys.argv[1], int(sys.argv[2]), 'gro' in sys.argv[3:]); print('ready', flush=True)
while True:
    data, size, where = receive(s); send(s, data, size, where)`;

/**
 * A wire that loses, doubles and delays packets of a protocol: one UDP datagram in ten each, unless its argument, a JSON object of the
 * protocol and of shares in percent, says otherwise. `mark`: of IPv6 packets that may be told that there is congestion, those that are
 * (ECN). Prints what there was at its right end, in both directions (`bytes`: of UDP), and how many had which fate.
 */
export const WIRE = `
import json, random, select, socket, struct, sys
o = {'protocol': 17, 'lose': 10, 'double': 10, 'late': 10, 'mark': 0, **json.loads(sys.argv[1] if sys.argv[1:] else '{}')}
ends = {}
for name in ('left', 'right'):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); s.bind((name, 0)); ends[name] = s
    s.setsockopt(socket.SOL_SOCKET, 33, 1 << 24)  # SO_RCVBUFFORCE
passed = {'left': {'packets': 0, 'bytes': 0}, 'right': {'packets': 0, 'bytes': 0}}
fates = {'lose': 0, 'double': 0, 'late': 0, 'mark': 0}
held = []; random.seed(1)
def transport(frame):
    kind = struct.unpack_from('!H', frame, 12)[0]
    at, protocol = {0x800: (34, frame[23]), 0x86dd: (54, frame[20])}.get(kind, (0, 0))
    return at if protocol == o['protocol'] else 0
def count(to, frame):
    at = transport(frame)
    if at:
        passed[to]['packets'] += 1; passed[to]['bytes'] += struct.unpack_from('!H', frame, at + 4)[0] - 8
def put(to, frame):
    if to == 'right': count(to, frame)
    ends[to].send(frame)
def meets(fate):
    met = random.random() * 100 < o[fate]; fates[fate] += met
    return met
def marked(frame):
    return frame[:15] + bytes([frame[15] | 0x30]) + frame[16:]
print('ready', flush=True)
while True:
    ready = select.select([sys.stdin, *ends.values()], [], [], 0.002)[0]
    if sys.stdin in ready: break
    if not ready:
        for late in held: put(*late)
        held = []
    for name, s in ends.items():
        if s not in ready: continue
        frame, (_, _, kind, *_) = s.recvfrom(2000)
        if kind == socket.PACKET_OUTGOING: continue
        to = 'right' if name == 'left' else 'left'
        if to == 'left': count(to, frame)
        if transport(frame):
            if meets('lose'): continue
            if frame[12:14] == b'\\x86\\xdd' and frame[15] & 0x30 and meets('mark'): frame = marked(frame)
            if meets('double'): put(to, frame)
            if meets('late'): held.append((to, frame))
            else: put(to, frame)
        else: put(to, frame)
        if len(held) > 3: put(*held.pop(0))
for late in held: put(*late)
print(json.dumps({**passed, 'fates': fates}))`;
