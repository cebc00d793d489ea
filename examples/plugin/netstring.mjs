/** Netstrings over TCP, `5:hello,`: a protocol of messages, with both roles. Load it with `--plugin`. */
import { connect, createServer } from 'node:net';
import { BaseStream, ProxyError } from 'l7mp';

/** Digits of a length: more is no netstring. */
const MAX_DIGITS = 7;

/** Takes chunks, and calls `message` with each that is complete. Keeps no more than one message. */
export class Decoder {
  #rest = Buffer.alloc(0);
  #message;
  #limit;

  constructor(limit, message) {
    this.#limit = limit;
    this.#message = message;
  }

  /** Whether a message has begun, and has not ended. */
  get partial() {
    return this.#rest.length > 0;
  }

  /** @throws ProxyError where the peer does not speak netstrings. */
  take(chunk) {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const colon = bytes.subarray(0, MAX_DIGITS + 1).indexOf(':');
      if (!/^\d*$/u.test(bytes.toString('latin1', 0, colon < 0 ? Math.min(bytes.length, MAX_DIGITS) : colon)))
        throw new ProxyError('PROTOCOL_ERROR', 'netstring: expected digits and a colon');
      if (colon < 0) {
        if (bytes.length > MAX_DIGITS)
          throw new ProxyError('TOO_LARGE', `netstring: a length of ${bytes.length} digits`);
        break;
      }
      const length = Number(bytes.toString('latin1', 0, colon));
      if (colon === 0) throw new ProxyError('PROTOCOL_ERROR', 'netstring: expected a length, found none');
      if (length > this.#limit) throw new ProxyError('TOO_LARGE', `netstring: ${length} bytes, above ${this.#limit}`);
      const end = colon + 1 + length;
      if (bytes.length <= end) break;
      if (bytes[end] !== 0x2c) throw new ProxyError('PROTOCOL_ERROR', 'netstring: expected a comma at the end');
      this.#message(Buffer.from(bytes.subarray(colon + 1, end)));
      bytes = bytes.subarray(end + 1);
    }
    this.#rest = Buffer.from(bytes);
  }
}

/** A connection as a stream of messages. */
class NetstringStream extends BaseStream {
  framing = 'datagrams'; // each chunk is a message
  reliable = true; // `pause` holds the peer back
  halfClose = true; // `end` tells the peer, which may go on
  #socket;
  #decoder;
  #failure;

  constructor(socket, limit) {
    super();
    this.#socket = socket;
    this.#decoder = new Decoder(limit, (message) => this.sink.data(message, false));
    socket.on('error', (error) => (this.#failure ??= ProxyError.from(error, 'PEER_RESET')));
    socket.on('close', () => this.emitClose(this.#failure));
  }

  start() {
    this.#socket.on('drain', () => this.sink.drain());
    this.#socket.on('end', () => {
      if (this.#decoder.partial) this.destroy(new ProxyError('PEER_CLOSED', 'netstring: ended within a message'));
      else this.sink.end();
    });
    this.#socket.on('data', (chunk) => {
      try {
        this.#decoder.take(chunk);
      } catch (error) {
        this.destroy(error);
      }
    });
  }

  write(chunk) {
    this.#socket.write(`${chunk.length}:`);
    this.#socket.write(chunk);
    return this.#socket.write(',');
  }

  end() {
    this.#socket.end();
  }

  pause() {
    this.#socket.pause();
  }

  resume() {
    this.#socket.resume();
  }

  destroy(error) {
    this.#failure ??= error;
    this.#socket.destroy();
  }
}

/** The fields of the specs: decoded with defaults and limits, like those of the built-in protocols. */
const limit = { type: 'integer', default: 65536, min: 1, max: 9999999, unit: 'bytes' };

export const protocol = {
  name: 'Netstring',
  schema: {
    listener: {
      fields: {
        address: { type: 'string', format: 'address', default: '0.0.0.0' },
        port: { type: 'integer', required: true, min: 0, max: 65535 },
        max_message_bytes: limit,
      },
    },
    cluster: { fields: { port: { type: 'integer', min: 1, max: 65535 }, max_message_bytes: limit } },
  },

  listener({ spec, accept }) {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const { remoteAddress = '', remotePort = 0 } = socket;
      accept({
        name: `Netstring:${remoteAddress}:${remotePort}`,
        metadata: { IP: { src_addr: remoteAddress }, TCP: { src_port: remotePort } },
        stream: new NetstringStream(socket, spec.max_message_bytes),
      });
    });
    return {
      get address() {
        const { address, port } = server.address();
        return `${address}:${port}`;
      },
      start: () =>
        new Promise((resolve, reject) => {
          server.once('error', (error) => reject(ProxyError.from(error)));
          server.listen(spec.port, spec.address, resolve);
        }),
      // Sessions live on; the pipeline ends them when it drains.
      close: async () => void server.close(),
    };
  },

  connector({ spec }) {
    return {
      connect: ({ target, signal }) =>
        new Promise((resolve, reject) => {
          const socket = connect({ host: target.address, port: target.port, allowHalfOpen: true, noDelay: true });
          const fail = (error) => reject(ProxyError.from(error, 'CONNECT_FAILED'));
          const abort = () => socket.destroy(signal.reason);
          socket.once('error', fail);
          signal.addEventListener('abort', abort, { once: true });
          socket.once('connect', () => {
            socket.off('error', fail);
            signal.removeEventListener('abort', abort);
            resolve(new NetstringStream(socket, spec.max_message_bytes));
          });
        }),
    };
  },
};
