/** JSONDecap: each object becomes a datagram; on a byte stream the objects are found first. What is none is dropped. */
import { ObjectSplitter } from '../../../common/json-objects.ts';
import type { Logger } from '../../../common/log.ts';
import type { Connector, ConnectorContext } from '../../core/protocol.ts';
import type { Framing } from '../../core/stream.ts';
import { type Emit, type Transformer, TransformStream } from '../../core/transform-stream.ts';
import { decode } from './codec.ts';

/** The longest object that is put together from a byte stream, in bytes. */
const MAX_OBJECT = 1024 * 1024;

export function createConnector({ name, log }: ConnectorContext<object>): Connector {
  return {
    connect: ({ session }) => new TransformStream(new Decapsulator(log, { cluster: name, session })),
  };
}

class Decapsulator implements Transformer {
  readonly framing = 'datagrams';
  private readonly log: Logger;
  private readonly fields: Readonly<Record<string, string>>;
  private splitter: ObjectSplitter | undefined;
  private emit: Emit | undefined;
  private dropped = 0;

  constructor(log: Logger, fields: Readonly<Record<string, string>>) {
    this.log = log;
    this.fields = fields;
  }

  adoptFraming(framing: Framing): void {
    if (framing === 'bytes') {
      this.splitter ??= new ObjectSplitter(MAX_OBJECT, {
        object: (bytes) => this.take(bytes),
        skipped: () => this.drop(),
      });
    } else {
      this.splitter = undefined;
    }
  }

  data(chunk: Buffer, _text: boolean, emit: Emit): void {
    this.emit = emit;
    if (this.splitter) this.splitter.push(chunk);
    else this.take(chunk);
  }

  flush(): void {
    this.splitter?.end();
  }

  close(): void {
    if (this.dropped > 1) this.log.warn({ ...this.fields, dropped: this.dropped }, 'dropped what was no encapsulation');
  }

  private take(object: Buffer): void {
    const payload = decode(object);
    if (payload) this.emit?.(payload, false);
    else this.drop();
  }

  private drop(): void {
    if (++this.dropped > 1) return;
    this.log.warn(this.fields, 'expected JSON objects with a payload, found something else: dropping it');
  }
}
