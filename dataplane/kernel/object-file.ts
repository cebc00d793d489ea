/** Programs in an object file (ELF, as clang makes it for the target bpf): instructions, and the maps they name. */
import { ProxyError } from '../../common/errors.ts';

/** Where an instruction takes a map's descriptor. */
interface Reference {
  readonly offset: number;
  readonly map: string;
}

export interface Program {
  readonly instructions: Buffer;
  readonly references: readonly Reference[];
}

export interface ObjectFile {
  /** The content of a section. @throws ProxyError where there is none */
  section(name: string): Buffer;
  /** The program of a section. @throws ProxyError where there is none */
  program(section: string): Program;
}

interface Section {
  readonly name: string;
  readonly content: Buffer;
}

const MAGIC = 0x464c457f;
const HEADER = 64;
const SYMBOL = 24;
const RELOCATION = 16;
/** The only kind that there is here: a 64-bit constant is the map's. */
const R_BPF_64_64 = 1;
const INSTRUCTION = 8;
/** Says that the constant is a map's descriptor (uapi/linux/bpf.h). */
const BPF_PSEUDO_MAP_FD = 1;

/** @throws ProxyError where it is no such file */
export function parseObjectFile(bytes: Buffer): ObjectFile {
  if (bytes.length < HEADER || bytes.readUInt32LE(0) !== MAGIC) throw invalid('an ELF file', 'something else');
  const sections = readSections(bytes);
  const section = (name: string): Buffer => {
    const found = sections.find((one) => one.name === name);
    if (!found) throw invalid(`a section ${name}`, sections.map((one) => one.name).join(' '));
    return found.content;
  };
  const symbols = section('.symtab');
  const strings = section('.strtab');
  return {
    section,
    program: (name) => {
      const relocations = sections.find((one) => one.name === `.rel${name}`)?.content ?? Buffer.alloc(0);
      const references: Reference[] = [];
      for (let at = 0; at < relocations.length; at += RELOCATION) {
        const [type, symbol] = [relocations.readUInt32LE(at + 8), relocations.readUInt32LE(at + 12)];
        if (type !== R_BPF_64_64) throw invalid('relocations of maps', `type ${type} in ${name}`);
        const map = textAt(strings, symbols.readUInt32LE(symbol * SYMBOL));
        references.push({ offset: Number(relocations.readBigUInt64LE(at)), map });
      }
      return { instructions: section(name), references };
    },
  };
}

function readSections(bytes: Buffer): Section[] {
  const [start, size] = [Number(bytes.readBigUInt64LE(40)), bytes.readUInt16LE(58)];
  const headers = Array.from({ length: bytes.readUInt16LE(60) }, (_, index) => {
    const header = bytes.subarray(start + index * size, start + (index + 1) * size);
    const offset = Number(header.readBigUInt64LE(24));
    return {
      name: header.readUInt32LE(0),
      content: bytes.subarray(offset, offset + Number(header.readBigUInt64LE(32))),
    };
  });
  const names = headers[bytes.readUInt16LE(62)]?.content ?? Buffer.alloc(0);
  return headers.map(({ name, content }) => ({ name: textAt(names, name), content }));
}

function textAt(strings: Buffer, offset: number): string {
  return strings.toString('latin1', offset, strings.indexOf(0, offset));
}

/** Instructions that use these maps, by descriptor. @throws ProxyError where one is missing */
export function bindMaps({ instructions, references }: Program, maps: Readonly<Record<string, number>>): Buffer {
  const bound = Buffer.from(instructions);
  for (const { offset, map } of references) {
    const fd = maps[map];
    if (fd === undefined) throw invalid(`one of the maps ${Object.keys(maps).join(' ')}`, map);
    // The source register is the upper half of the second byte.
    bound.writeUInt8((bound.readUInt8(offset + 1) & 0x0f) | (BPF_PSEUDO_MAP_FD << 4), offset + 1);
    bound.writeInt32LE(fd, offset + INSTRUCTION / 2);
  }
  return bound;
}

/**
 * Structures as both sides have them, sizes and offsets in order. `found`: as the compiler wrote them beside the programs.
 *
 * @throws ProxyError where they differ
 */
export function compareLayout(
  where: string,
  structures: readonly Readonly<Record<string, number>>[],
  found: Buffer,
): void {
  const ours = structures.flatMap((structure) => Object.values(structure));
  const theirs = Array.from({ length: found.length / 4 }, (_, index) => found.readUInt32LE(4 * index));
  if (ours.join() === theirs.join()) return;
  throw new ProxyError('INTERNAL', `layouts of ${where}: expected ${ours.join(' ')}, found ${theirs.join(' ')}`);
}

function invalid(expected: string, found: string): ProxyError {
  return new ProxyError('INTERNAL', `the kernel's programs: expected ${expected}, found ${found}`);
}
