/** The client on a session's way: hears its stream, as a stage hears its cluster's. */
import type { ProxyError } from '../../common/errors.ts';
import type { StageView } from '../core/session.ts';
import type { EndReason, Signal, Sink, Stream } from '../core/stream.ts';
import type { Link } from './link.ts';

/** What a client's side needs of its session. */
export interface ClientOwner {
  readonly listener: string;
  /** Its stream is gone. */
  clientClosed(error?: ProxyError): void;
}

export class ClientSide implements Sink {
  /** Another one once its frames are left to its ends. */
  stream: Stream;
  /** What an earlier stream of it was answered with. */
  private statusBefore: number | undefined;
  isOpen = true;
  /** What it reads goes here, the first link of the session. */
  readonly output: Link;
  /** What it writes comes from here, the last one. */
  readonly input: Link;
  private readonly owner: ClientOwner;

  constructor(owner: ClientOwner, stream: Stream, output: Link, input: Link) {
    this.owner = owner;
    this.stream = stream;
    this.output = output;
    this.input = input;
  }

  get view(): StageView {
    return { origin: this.owner.listener, status: this.isOpen ? 'READY' : 'FINALIZED', attempts: 1 };
  }

  /** It is read from. */
  open(): void {
    this.stream.open(this);
  }

  /** It is written to: the session is connected. `responds`: the answer itself comes as a signal. */
  connected(responds: boolean): void {
    this.stream.connected?.(responds);
    this.input.setWriter(this.stream);
  }

  /** What it was answered with, where it speaks HTTP. */
  get httpStatus(): number | undefined {
    return this.stream.httpStatus ?? this.statusBefore;
  }

  /** Its connection goes on with another stream, while nothing waits. */
  exchange(stream: Stream): void {
    this.statusBefore = this.httpStatus;
    this.stream = stream;
    this.output.setReader(stream);
    stream.open(this);
    this.input.setWriter(stream);
  }

  /** Ends it at once; it tells when it is gone. */
  destroy(error: ProxyError | undefined, reset: boolean): void {
    if (this.isOpen) this.stream.destroy(reset ? error : undefined);
  }

  /** Its stream has ended elsewhere, and isn't its own any more. */
  letGo(): void {
    this.isOpen = false;
  }

  data(chunk: Buffer, text: boolean): void {
    this.output.push(chunk, text);
  }

  signal(signal: Signal): void {
    this.output.signal(signal);
  }

  end(reason?: EndReason): void {
    this.output.finish(reason);
  }

  drain(): void {
    this.input.drain();
  }

  close(error?: ProxyError): void {
    this.isOpen = false;
    this.owner.clientClosed(error);
  }
}
