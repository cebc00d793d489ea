/** A plugin with every mistake that one can make: `fault` of its specs says which. */
import { createServer } from 'node:net';
import { BaseStream } from 'l7mp';

/** Thrown: not even text can be made of it. */
const UNSPEAKABLE = Object.freeze(Object.create(null));

function boom(fault) {
  if (fault.endsWith('-unspeakable')) throw UNSPEAKABLE;
  throw new Error('boom');
}

/** What all its streams do; a subclass has the transport. */
class Hostile extends BaseStream {
  reliable = true;
  halfClose = true;
  responds = false;

  constructor(fault) {
    super();
    this.fault = fault;
    for (const name of ['open', 'write', 'end', 'destroy', 'connected', 'adoptFraming', 'refuse']) {
      if (fault === name || fault === `${name}-unspeakable`) this[name] = () => boom(fault);
      if (fault === `${name}-async`) this[name] = async () => boom(fault);
    }
  }

  get framing() {
    if (this.fault === 'framing') boom(this.fault);
    return 'bytes';
  }

  /** Something was read. */
  heard(chunk) {
    if (this.fault === 'callback') boom(this.fault);
    if (this.fault === 'text') this.sink.data(chunk.toString(), true);
    else this.sink.data(chunk, false);
  }

  end() {}
  pause() {}
  resume() {}
}

class SocketStream extends Hostile {
  constructor(socket, fault) {
    super(fault);
    this.socket = socket;
    socket.on('error', () => undefined);
    socket.on('close', () => this.emitClose());
  }

  start() {
    this.socket.on('data', (chunk) => this.heard(chunk));
    this.socket.on('end', () => this.sink.end());
  }

  write(chunk) {
    return this.socket.write(chunk);
  }

  end() {
    this.socket.end();
  }

  destroy() {
    if (this.fault !== 'deaf') this.socket.destroy();
  }
}

class EchoStream extends Hostile {
  start() {
    if (this.fault === 'timer') setTimeout(() => boom(this.fault), 1);
  }

  write(chunk) {
    this.heard(chunk);
    return true;
  }

  end() {
    // A session that ended before its timer would hide the fault.
    if (this.fault === 'timer') return;
    this.sink.end();
    this.emitClose();
  }

  destroy() {
    this.emitClose();
  }
}

const fields = { fault: { type: 'string', default: '' } };

export const protocol = {
  name: 'Hostile',
  framing: 'bytes',
  local: true,
  schema: {
    listener: { fields: { ...fields, port: { type: 'integer', default: 0, min: 0, max: 65535 } } },
    cluster: { fields },
  },

  listener({ spec: { fault, port }, accept }) {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const metadata = {};
      if (fault === 'metadata') metadata.itself = metadata;
      const stream = fault === 'no-stream' ? undefined : new SocketStream(socket, fault);
      if (!accept({ name: `Hostile:${socket.remotePort}`, metadata, stream })) socket.destroy();
    });
    return {
      get address() {
        if (fault === 'address') boom(fault);
        return `127.0.0.1:${server.address().port}`;
      },
      get overflow() {
        return boom(fault);
      },
      start: () => new Promise((resolve) => void server.listen(port, '127.0.0.1', resolve)),
      close: async () => {
        server.close();
        if (fault === 'close') await new Promise(() => undefined);
        boom(fault);
      },
    };
  },

  connector: ({ spec: { fault } }) => ({
    get overflow() {
      return boom(fault);
    },
    connect: ({ onAbort, signal }) => {
      if (fault === 'connect') boom(fault);
      if (fault === 'connect-nothing') return undefined;
      if (fault === 'connect-later') return Promise.resolve().then(() => boom(fault));
      if (fault !== 'abort') return new EchoStream(fault);
      onAbort(() => boom(fault));
      signal.addEventListener('abort', () => boom(fault));
      return new Promise(() => undefined);
    },
    retain: () => boom(fault),
    close: async () => (fault === 'close' ? new Promise(() => undefined) : boom(fault)),
  }),
};
