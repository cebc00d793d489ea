/** Three hosts in a row, as network namespaces, and the peers in them. */
import { execFileSync, spawnSync } from 'node:child_process';

export const PLACES = ['client', 'proxy', 'server'] as const;
export type Place = (typeof PLACES)[number];
export const namespace = (place: Place): string => `l7mp-${process.pid}-${place}`;
/** How long a peer waits for an answer, in s. */
const TIMEOUT = '3';

export function ip(command: string): void {
  execFileSync('ip', command.split(' '), { stdio: 'pipe' });
}

/** client .1 --- .2 proxy .1 --- .2 server, over 10.1.0.0/24 and 10.2.0.0/24, fd01::/64 and fd02::/64 */
export function buildLab(): void {
  for (const place of PLACES) {
    ip(`netns add ${namespace(place)}`);
    ip(`-n ${namespace(place)} link set lo up`);
  }
  connect('client', 'proxy', 1);
  connect('proxy', 'server', 2);
}

export function removeLab(): void {
  for (const place of PLACES) spawnSync('ip', ['netns', 'del', namespace(place)]);
}

function connect(left: Place, right: Place, net: number): void {
  ip(`link add to-${right} netns ${namespace(left)} type veth peer name to-${left} netns ${namespace(right)}`);
  for (const [place, device, host] of [
    [left, `to-${right}`, 1],
    [right, `to-${left}`, 2],
  ] as const) {
    ip(`-n ${namespace(place)} address add 10.${net}.0.${host}/24 dev ${device}`);
    ip(`-n ${namespace(place)} address add fd0${net}::${host}/64 dev ${device} nodad`);
    ip(`-n ${namespace(place)} link set ${device} up`);
  }
}

/**
 * Sends datagrams of all sizes with random contents, each after the echo of the one before: so many of them, or, where
 * that is 0, until its standard input ends. Prints how many they were, and their bytes.
 */
export const CLIENT = `
import os, random, select, socket, sys
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(${TIMEOUT})
s.bind((sys.argv[1], int(sys.argv[2]))); s.connect((sys.argv[3], int(sys.argv[4])))
count = int(sys.argv[5]); sent = total = 0
while sent < count or (count == 0 and not select.select([sys.stdin], [], [], 0)[0]):
    data = os.urandom(random.randint(0, 1400)); s.send(data); sent += 1; total += len(data)
    assert s.recv(2000) == data, 'another datagram came back'
print(sent, total)`;

export const SERVER = `
import socket, sys
s = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], int(sys.argv[2]))); print('ready', flush=True)
while True:
    data, where = s.recvfrom(2000); s.sendto(data, where)`;
