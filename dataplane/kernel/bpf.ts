/** Maps, programs and links of the kernel's virtual machine: bpf(2), through koffi, with no library between. */
import koffi from 'koffi';
import { addressOf, ENOENT, systemError } from '../sockets/native/libc.ts';

/** Of x86-64, and of the generic table that the others have (asm-generic/unistd.h). */
const SYS_BPF = process.arch === 'x64' ? 321 : 280;

type Arguments = [number: number, command: number, attributes: Buffer, size: number];
type Syscall = ((...args: Arguments) => number) & {
  async(...args: [...Arguments, (error: Error | null, result: number) => void]): void;
};
const syscall: Syscall = koffi
  .load(null)
  .func('long syscall(long number, long command, void *attributes, unsigned long size)');

// enum bpf_cmd, bpf_map_type, bpf_prog_type and bpf_attach_type of uapi/linux/bpf.h
const BPF_MAP_CREATE = 0;
const BPF_MAP_LOOKUP_ELEM = 1;
const BPF_MAP_UPDATE_ELEM = 2;
const BPF_MAP_DELETE_ELEM = 3;
const BPF_MAP_GET_NEXT_KEY = 4;
const BPF_PROG_LOAD = 5;
const BPF_OBJ_PIN = 6;
const BPF_OBJ_GET = 7;
const BPF_PROG_TEST_RUN = 10;
const BPF_OBJ_GET_INFO_BY_FD = 15;
const BPF_MAP_LOOKUP_BATCH = 24;
const BPF_LINK_CREATE = 28;
const BPF_PROG_TYPE_SCHED_CLS = 3;
/** Ends of an interface (enum bpf_attach_type). */
const TCX = { ingress: 46, egress: 47 } as const;

export const MAP_HASH = 1;
export const MAP_ARRAY = 2;
export const MAP_PROGRAMS = 3;
export const MAP_PERCPU_ARRAY = 6;
/** Where it is full, what was not used for long makes room. */
export const MAP_LRU_HASH = 9;
/** By the longest prefix; without preallocation only. */
export const MAP_LPM_TRIE = 11;

/** A map's memory is taken entry by entry. */
export const NO_PREALLOC = 1;

/** What map updates may do: anything, or make an entry that isn't there. */
export const ANY = 0;
export const NO_EXIST = 1;

const LOG_SIZE = 256 * 1024;
/** No helper is used that wants another. */
const LICENSE = Buffer.from('Apache-2.0\0');
const NAME_SIZE = 16;

/** What the call gave, or its errno, negative. */
function bpf(command: number, attributes: Buffer): number {
  const result = syscall(SYS_BPF, command, attributes, attributes.length);
  return result >= 0 ? result : -koffi.errno();
}

function check(what: string, result: number): number {
  if (result < 0) throw systemError(what, -result);
  return result;
}

function writePointer(attributes: Buffer, to: Buffer, offset: number): void {
  attributes.writeBigUInt64LE(BigInt(addressOf(to)), offset);
}

export interface MapOptions {
  readonly type: number;
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly entries: number;
  /** 0, or NO_PREALLOC. */
  readonly flags?: number;
}

/** A descriptor of a new map; its memory is taken at once, unless flags say otherwise. @throws ProxyError */
export function createMap({ type, name, keySize, valueSize, entries, flags = 0 }: MapOptions): number {
  const attributes = Buffer.alloc(44);
  [type, keySize, valueSize, entries, flags].forEach((value, index) => attributes.writeUInt32LE(value, 4 * index));
  attributes.write(name.slice(0, NAME_SIZE - 1), 28);
  return check(`bpf map ${name}`, bpf(BPF_MAP_CREATE, attributes));
}

/** Whether a descriptor is that of a map as one that is made with the options. @throws ProxyError */
export function isMap(fd: number, { type, keySize, valueSize, entries }: MapOptions): boolean {
  // struct bpf_map_info: beside the identifier. Of programs and links, other things are there.
  const info = objectInfo(fd, 80);
  const found = [0, 8, 12, 16].map((at) => info.readUInt32LE(at));
  return found.join() === [type, keySize, valueSize, entries].join();
}

/** What the kernel tells of an object: its structure, as far as `size`. @throws ProxyError */
function objectInfo(fd: number, size: number): Buffer {
  const attributes = Buffer.alloc(16);
  const info = Buffer.alloc(size);
  attributes.writeUInt32LE(fd, 0);
  attributes.writeUInt32LE(info.length, 4);
  writePointer(attributes, info, 8);
  check('bpf object info', bpf(BPF_OBJ_GET_INFO_BY_FD, attributes));
  return info;
}

/** Has an object stay under a path of a bpffs, whether anybody has a descriptor of it or not. @throws ProxyError */
export function pinObject(fd: number, path: string): void {
  check(`pinning ${path}`, bpf(BPF_OBJ_PIN, pathAttributes(path, fd)));
}

/** A descriptor of what is pinned there. @throws ProxyError */
export function openPinned(path: string): number {
  return check(`opening ${path}`, bpf(BPF_OBJ_GET, pathAttributes(path, 0)));
}

/** The kernel reads the path during the call. */
function pathAttributes(path: string, fd: number): Buffer {
  const attributes = Buffer.alloc(16);
  pathBytes = Buffer.from(`${path}\0`);
  writePointer(attributes, pathBytes, 0);
  attributes.writeUInt32LE(fd, 8);
  return attributes;
}

/** That of the last call: it has to live as long. */
let pathBytes: Buffer;

/** Reads single entries, and walks a hash. */
export class MapReader {
  private readonly attributes = Buffer.alloc(32);
  private readonly walk = Buffer.alloc(24);
  private readonly key: Buffer;
  private readonly next: Buffer;
  private readonly value: Buffer;

  constructor(fd: number, keySize: number, valueSize: number) {
    this.key = Buffer.alloc(keySize);
    this.next = Buffer.alloc(keySize);
    this.value = Buffer.alloc(valueSize);
    for (const attributes of [this.attributes, this.walk]) {
      attributes.writeUInt32LE(fd, 0);
      writePointer(attributes, this.key, 8);
    }
    writePointer(this.attributes, this.value, 16);
    writePointer(this.walk, this.next, 16);
  }

  /** A copy; undefined where there is none. */
  get(key: Buffer | number): Buffer | undefined {
    put(this.key, key);
    return bpf(BPF_MAP_LOOKUP_ELEM, this.attributes) < 0 ? undefined : Buffer.from(this.value);
  }

  /** Of a hash that nobody changes meanwhile. */
  keys(): Buffer[] {
    const all: Buffer[] = [];
    // No key stands before the first.
    this.walk.writeBigUInt64LE(0n, 8);
    while (bpf(BPF_MAP_GET_NEXT_KEY, this.walk) >= 0) {
      all.push(Buffer.from(this.next));
      this.next.copy(this.key);
      writePointer(this.walk, this.key, 8);
    }
    return all;
  }
}

/** Updates and deletes entries; keys and values are copied into places of its own. */
export class MapWriter {
  private readonly attributes = Buffer.alloc(32);
  /** What a command doesn't know has to be zero. */
  private readonly deletion = Buffer.alloc(16);
  private readonly key: Buffer;
  private readonly value: Buffer;

  constructor(fd: number, keySize: number, valueSize: number) {
    this.key = Buffer.alloc(keySize);
    this.value = Buffer.alloc(valueSize);
    this.attributes.writeUInt32LE(fd, 0);
    writePointer(this.attributes, this.key, 8);
    writePointer(this.attributes, this.value, 16);
    this.attributes.copy(this.deletion, 0, 0, 16);
  }

  /** 0, or a negative errno. */
  update(key: Buffer | number, value: Buffer | number, flags = ANY): number {
    put(this.key, key);
    put(this.value, value);
    this.attributes.writeUInt32LE(flags, 24);
    return bpf(BPF_MAP_UPDATE_ELEM, this.attributes);
  }

  /** 0, or a negative errno. */
  delete(key: Buffer | number): number {
    put(this.key, key);
    return bpf(BPF_MAP_DELETE_ELEM, this.deletion);
  }
}

function put(place: Buffer, content: Buffer | number): void {
  if (typeof content === 'number') place.writeUInt32LE(content, 0);
  else content.copy(place);
}

/** Reads consecutive elements of an array, those of all CPUs where it has one for each. */
export class ArrayReader {
  private readonly attributes = Buffer.alloc(56);
  private readonly position = Buffer.alloc(4);
  private readonly start = Buffer.alloc(4);
  private readonly keys: Buffer;
  private readonly values: Buffer;
  private readonly size: number;

  /** `size`: of an element, for all CPUs. */
  constructor(fd: number, entries: number, size: number) {
    this.size = size;
    this.keys = Buffer.alloc(4 * entries);
    this.values = Buffer.alloc(size * entries);
    writePointer(this.attributes, this.position, 8);
    writePointer(this.attributes, this.keys, 16);
    writePointer(this.attributes, this.values, 24);
    this.attributes.writeUInt32LE(fd, 36);
  }

  /** The elements `first` to `first + count - 1`, valid until the next call. @throws ProxyError */
  read(first: number, count: number): Buffer {
    // The position is the last index that was read; none reads from the beginning.
    this.start.writeUInt32LE(Math.max(0, first - 1));
    if (first === 0) this.attributes.writeBigUInt64LE(0n, 0);
    else writePointer(this.attributes, this.start, 0);
    this.attributes.writeUInt32LE(count, 32);
    const result = bpf(BPF_MAP_LOOKUP_BATCH, this.attributes);
    // ENOENT: there are no more.
    if (result < 0 && result !== -ENOENT) check('bpf map lookup batch', result);
    return this.values.subarray(0, this.size * this.attributes.readUInt32LE(32));
  }
}

/** A descriptor of a program for tc. @throws ProxyError with the verifier's last words */
export function loadProgram(name: string, instructions: Buffer): number {
  const attributes = Buffer.alloc(72);
  attributes.writeUInt32LE(BPF_PROG_TYPE_SCHED_CLS, 0);
  attributes.writeUInt32LE(instructions.length / 8, 4);
  writePointer(attributes, instructions, 8);
  writePointer(attributes, LICENSE, 16);
  attributes.write(name.slice(0, NAME_SIZE - 1), 48);
  const result = bpf(BPF_PROG_LOAD, attributes);
  if (result >= 0) return result;
  throw systemError(`bpf program ${name}${verifierLog(attributes)}`, -result);
}

function verifierLog(attributes: Buffer): string {
  const log = Buffer.alloc(LOG_SIZE);
  attributes.writeUInt32LE(1, 24);
  attributes.writeUInt32LE(log.length, 28);
  writePointer(attributes, log, 32);
  bpf(BPF_PROG_LOAD, attributes);
  const lines = log.toString('latin1', 0, log.indexOf(0)).trim().split('\n');
  return lines.length > 1 ? ` (${lines.slice(-3).join('; ')})` : '';
}

/** Attaches a program to an end of an interface: a descriptor, with which it vanishes; or a negative errno. */
export function createTcxLink(program: number, ifindex: number, end: keyof typeof TCX = 'ingress'): number {
  return bpf(BPF_LINK_CREATE, tcxAttributes(program, ifindex, end));
}

/**
 * Likewise, on another thread: the kernel waits until no CPU is at the programs that were there before, which takes it some ms.
 * Resolves with the descriptor, or with a negative errno.
 */
export function createTcxLinkAside(program: number, ifindex: number, end: keyof typeof TCX): Promise<number> {
  const attributes = tcxAttributes(program, ifindex, end);
  return new Promise((resolve) => {
    syscall.async(SYS_BPF, BPF_LINK_CREATE, attributes, attributes.length, (_, result) => {
      // What went wrong is known of this thread's calls alone: it fails at once, and for the same reason.
      resolve(result >= 0 ? result : bpf(BPF_LINK_CREATE, attributes));
    });
  });
}

function tcxAttributes(program: number, ifindex: number, end: keyof typeof TCX): Buffer {
  const attributes = Buffer.alloc(48);
  attributes.writeUInt32LE(program, 0);
  attributes.writeUInt32LE(ifindex, 4);
  attributes.writeUInt32LE(TCX[end], 8);
  return attributes;
}

export interface TestRun {
  readonly verdict: number;
  readonly packet: Buffer;
  /** Of one run, on average. */
  readonly nanoseconds: number;
}

/** Of a packet that stands for several, as receive offload makes them. */
export interface Segments {
  readonly count: number;
  /** Of each, in bytes of payload. */
  readonly size: number;
}

// struct __sk_buff of uapi/linux/bpf.h
const CONTEXT_SIZE = 192;
const CONTEXT_SEGMENTS = 164;
const CONTEXT_SEGMENT_SIZE = 176;

/** Runs a program over a packet, which comes in on lo. @throws ProxyError */
export function testRun(program: number, packet: Buffer, repeat = 1, segments?: Segments): TestRun {
  const attributes = Buffer.alloc(80);
  const context = Buffer.alloc(CONTEXT_SIZE);
  if (segments) {
    context.writeUInt32LE(segments.count, CONTEXT_SEGMENTS);
    context.writeUInt32LE(segments.size, CONTEXT_SEGMENT_SIZE);
    attributes.writeUInt32LE(context.length, 40);
    writePointer(attributes, context, 48);
  }
  const out = Buffer.alloc(packet.length + 64);
  attributes.writeUInt32LE(program, 0);
  attributes.writeUInt32LE(packet.length, 8);
  attributes.writeUInt32LE(out.length, 12);
  writePointer(attributes, packet, 16);
  writePointer(attributes, out, 24);
  attributes.writeUInt32LE(repeat, 32);
  check('bpf test run', bpf(BPF_PROG_TEST_RUN, attributes));
  return {
    verdict: attributes.readInt32LE(4),
    packet: out.subarray(0, attributes.readUInt32LE(12)),
    nanoseconds: attributes.readUInt32LE(36),
  };
}

/** How many instructions the verifier has walked through: its limit is a million. @throws ProxyError */
export function verifiedInstructions(program: number): number {
  // struct bpf_prog_info, up to that field.
  return objectInfo(program, 224).readUInt32LE(216);
}
