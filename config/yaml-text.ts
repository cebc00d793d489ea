/** A YAML document: what is wrong with it, its value, and the lines of its fields. */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
  type YAMLMap,
} from 'yaml';
import { type Fault, FaultsError } from '../common/errors.ts';
import { stepsOf } from './paths.ts';
import type { Places } from './places.ts';

/** Values that the aliases of a document may add to those that are written in it: more is an attack. */
const MAX_ALIASED = 100_000;

/** More than anybody reads. */
const MAX_FAULTS = 20;
/** Of what the parser says of one, in characters: it may quote the text. */
const MAX_MESSAGE = 200;

/** More than the levels of a configuration, for a better message there. */
const MAX_DEPTH = 200;
const INDICATORS = new RegExp(`(?:[-?:][ \\t]+){${MAX_DEPTH}}`, 'u');

/** Tags, anchors and aliases of a text: the parser's time is the square of the number of aliases. */
const MAX_MARKS = 2000;

/** What the lexer puts before the text of a scalar, and what else isn't text (yaml, parse/cst.ts). */
const SCALAR = '\x1f';
const CONTROLS: ReadonlySet<string> = new Set(['\x02', '\x18', SCALAR]);

/**
 * Looks at a text before it is parsed. The parser calls itself for each level: flow collections nest by their brackets;
 * block collections by what begins on one line, as in `- - - x`. Those of several lines are indented: the size of their
 * text is the square of their depth.
 *
 * @throws RangeError where it nests too deep; FaultsError where it has too many tags, anchors and aliases.
 */
function checkSize(text: string): void {
  if (INDICATORS.test(text)) throw new RangeError('too many levels');
  let depth = 0;
  let marks = 0;
  let offset = 0;
  let before = '';
  for (const token of new Lexer().lex(text)) {
    if (before !== SCALAR) {
      if (token === '[' || token === '{') depth++;
      else if (token === ']' || token === '}') depth--;
      else if (/^[!&*]/u.test(token)) marks++;
    }
    if (depth > MAX_DEPTH) throw new RangeError('too many levels');
    if (marks > MAX_MARKS) {
      const line = text.slice(0, offset).split('\n').length;
      throw new FaultsError([
        { path: '', expected: `at most ${MAX_MARKS} tags, anchors and aliases`, found: 'more', line },
      ]);
    }
    if (!CONTROLS.has(token)) offset += token.length;
    before = token;
  }
}

export class YamlText {
  private readonly documents: readonly Document.Parsed[];
  private readonly document: Document.Parsed | undefined;
  private readonly lines = new LineCounter();
  /** What aliases stand for. (The parser looks each up in the whole document.) */
  private readonly targets = new Map<Alias, Node>();

  /** @throws RangeError where it nests too deep for the parser; FaultsError where it is too much for it otherwise. */
  constructor(text: string) {
    checkSize(text);
    this.documents = this.parse(text);
    const deep = this.documents[0]?.errors.some(({ message }) => message.includes('call stack'));
    if (deep) throw new RangeError('too many levels'); // the parser has caught its own
    this.document = this.documents[0];
    this.findTargets();
  }

  private parse(text: string): readonly Document.Parsed[] {
    const { stackTraceLimit } = Error;
    // A text may have an error at each character: taking their stacks takes longer than all else.
    Error.stackTraceLimit = 0;
    try {
      const documents = parseAllDocuments(text, {
        lineCounter: this.lines,
        merge: true,
        prettyErrors: false,
        uniqueKeys: false, // its own check takes the square of their number
      });
      return 'empty' in documents ? [] : documents;
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  }

  private findTargets(): void {
    const anchors = new Map<string, Node>();
    visit(this.document ?? null, {
      Node: (_key, node, ancestors) => {
        // How deep the parser gets on its stack depends on how warm it is; this does not. A map has two nodes a level.
        if (ancestors.length > 2 * MAX_DEPTH) throw new RangeError('too many levels');
        if (isAlias(node)) {
          const target = anchors.get(node.source);
          if (target) this.targets.set(node, target);
        } else if (node.anchor !== undefined) anchors.set(node.anchor, node);
      },
    });
  }

  /** What is meant: an alias stands for something else, or for nothing. */
  private meant(node: unknown): unknown {
    return isAlias(node) ? this.targets.get(node) : node;
  }

  /**
   * What the parser could not read or did not understand (tags), keys that stand twice, aliases of nothing, merges of
   * what is no mapping, and aliases that explode.
   */
  faults(): Fault[] {
    const faults = this.documents
      .flatMap(({ errors, warnings }) => [...errors, ...warnings])
      .slice(0, MAX_FAULTS)
      .map(({ message, pos }) =>
        this.fault('YAML or JSON', message.slice(0, MAX_MESSAGE).replaceAll(/\s+/gu, ' '), pos[0]),
      );
    const second = this.documents[1];
    if (second) faults.push(this.fault('one document', `${this.documents.length}`, second.range[0]));
    if (faults.length > 0 || !this.document) return faults;
    const excess = this.excess();
    return excess ? [excess] : this.mistakes();
  }

  toPlain(): unknown {
    return this.document?.toJS({ maxAliasCount: -1 }) as unknown; // `excess` has looked
  }

  /** The faults with the lines where they stand, in the order of the text. */
  locate(faults: readonly Fault[], places?: Places): readonly Fault[] {
    const located = faults.map((fault) => {
      const line = fault.line ?? this.lineOf(places?.of(fault.path) ?? fault.path);
      return line === undefined ? fault : { ...fault, line };
    });
    return located.sort((one, other) => (one.line ?? 0) - (other.line ?? 0));
  }

  private fault(expected: string, found: string, offset: number): Fault {
    return { path: '', expected, found, line: this.lines.linePos(offset).line };
  }

  private mistakes(): Fault[] {
    const { document = null } = this;
    const faults: Fault[] = [];
    visit(document, {
      Alias: (_key, alias) => {
        if (this.targets.has(alias)) return;
        faults.push(this.fault(`an anchor &${alias.source} before it`, `*${alias.source}`, alias.range?.[0] ?? 0));
      },
      Map: (_key, map) => {
        const seen = new Set<string>();
        for (const { key: written, value } of map.items) {
          const at = (isNode(written) ? written.range?.[0] : undefined) ?? 0;
          const key = this.meant(written);
          if (key === undefined) continue; // an alias of nothing, which is told already
          if (!isScalar(key) || (typeof key.value === 'object' && key.value !== null)) {
            faults.push(this.fault('a key that is text', 'another', at));
            continue;
          }
          if (typeof key.value === 'symbol') {
            // `<<`, which may stand several times.
            if (!this.isMergeable(value)) faults.push(this.fault('a mapping to merge, or aliases of some', 'none', at));
            continue;
          }
          const name = String(key.value);
          if (seen.has(name)) faults.push(this.fault('each key once', `${JSON.stringify(name)} again`, at));
          seen.add(name);
        }
      },
    });
    return faults;
  }

  private isMergeable(value: unknown): boolean {
    const source = this.meant(value);
    return isMap(source) || (isSeq(source) && source.items.every((item) => this.isMergeable(item)));
  }

  /** Where aliases make the value endless, or many times as large as its text. */
  private excess(): Fault | undefined {
    const { document } = this;
    const sizes = new Map<Node, number>();
    let fault: Fault | undefined;
    const sizeOf = (node: unknown): number => {
      if (!isNode(node)) return 1;
      const known = sizes.get(node);
      if (known !== undefined) return known;
      sizes.set(node, Infinity); // what holds itself has no end
      let size = 1;
      if (isAlias(node)) {
        size = sizeOf(this.targets.get(node));
        if (size > MAX_ALIASED) {
          const found = size === Infinity ? `*${node.source} in itself` : `${size} values in *${node.source}`;
          fault ??= this.fault(`aliases of at most ${MAX_ALIASED} values`, found, node.range?.[0] ?? 0);
        }
      } else if (isMap(node)) {
        for (const { key, value } of node.items) size += sizeOf(key) + sizeOf(value);
      } else if (isSeq(node)) {
        for (const item of node.items) size += sizeOf(item);
      }
      sizes.set(node, size);
      return size;
    };
    const total = sizeOf(document?.contents);
    if (!fault && total > MAX_ALIASED * 10) {
      fault = this.fault(`at most ${MAX_ALIASED * 10} values`, String(total), 0);
    }
    return fault;
  }

  /** The line of a field, from 1, by its path; of what holds it where it is absent. */
  private lineOf(path: string): number | undefined {
    let node: unknown = this.document?.contents;
    let offset: number | undefined;
    for (const step of stepsOf(path)) {
      node = this.meant(node);
      let next: unknown;
      let place: unknown;
      if (isMap(node)) {
        const pair = pairOf(node, String(step));
        next = pair?.value;
        place = pair?.key;
      } else if (isSeq(node) && typeof step === 'number') {
        next = node.items[step];
        place = next;
      }
      if (place === undefined || place === null) break;
      offset = (isNode(place) ? place.range?.[0] : undefined) ?? offset;
      node = next;
    }
    if (offset === undefined) return path === '' ? undefined : 1;
    return this.lines.linePos(offset).line;
  }
}

function pairOf(map: YAMLMap, key: string): YAMLMap['items'][number] | undefined {
  return map.items.find((pair) => isScalar(pair.key) && String(pair.key.value) === key);
}
