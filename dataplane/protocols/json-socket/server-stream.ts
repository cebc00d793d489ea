/** The server's end of a JSONSocket: reads the header, and answers it once the session is connected. */
import type { JsonSocketListener } from '../../../gen/l7mp/config/v1/types.ts';
import type { ProxyError } from '../../../common/errors.ts';
import { answerOf, refusalText } from '../../core/answer.ts';
import type { Stream } from '../../core/stream.ts';
import { type Answer, encodeAnswer, type Header, HeaderReader, parseRequest } from './codec.ts';
import { HeaderedStream } from './headered-stream.ts';

/** What happens before there is a session. */
export interface ServerHandler {
  /** The session is there. */
  header(header: Header): void;
  refused(answer: Answer): void;
  closed(): void;
}

/** How long a client that was refused has to close its side, in ms. */
const LINGER = 1000;

const OK = encodeAnswer({ status: 200, message: 'OK' });

export class ServerStream extends HeaderedStream {
  private readonly handler: ServerHandler;
  private readonly headerTimeout: number;
  private answered = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(transport: Stream, spec: JsonSocketListener, handler: ServerHandler) {
    super(transport, new HeaderReader(transport.framing, spec.max_header_bytes, parseRequest));
    this.handler = handler;
    this.headerTimeout = spec.header_timeout;
  }

  /** Called once, within the transport's accept. */
  start(): void {
    this.timer = setTimeout(() => {
      this.headerRefused({ status: 408, message: `Request Timeout: no header in ${this.headerTimeout} ms` });
    }, this.headerTimeout);
    this.begin();
    // The transport's own handshake is not what the session waits for.
    if (this.phase === 'HEADER') this.inner.connected?.(false);
  }

  protected headerReceived(header: Header): void {
    clearTimeout(this.timer);
    this.handler.header(header);
  }

  protected headerRefused(answer: Answer): void {
    this.handler.refused(answer);
    this.sayNo(answer);
  }

  protected headerMissing(error?: ProxyError): void {
    if (error === undefined) this.headerRefused({ status: 400, message: 'Bad Request: expected a header' });
  }

  protected headerRepeated(): void {
    if (this.answered) this.inner.write(OK, true);
  }

  protected transportClosed(): void {
    clearTimeout(this.timer);
    this.handler.closed();
  }

  override connected(): void {
    this.answered = true;
    this.inner.write(OK, true);
  }

  override get refuse(): (error: ProxyError) => void {
    return (error) => this.sayNo({ status: answerOf(error).status, message: refusalText(error) });
  }

  private sayNo(answer: Answer): void {
    const { inner: transport } = this;
    clearTimeout(this.timer);
    this.phase = 'OVER';
    transport.write(encodeAnswer(answer), true);
    if (!transport.halfClose) {
      transport.destroy();
      return;
    }
    // Closed at once, what the client still sends would reset the connection, and it might never read the answer.
    transport.end({ code: answer.status < 500 ? POLICY_VIOLATION : TRY_AGAIN_LATER, message: '' });
    transport.resume();
    this.timer = setTimeout(() => transport.destroy(), LINGER);
  }
}

/** Close codes for WebSocket transports (RFC 6455, section 7.4; RFC 6455's registry for 1013). */
const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;
