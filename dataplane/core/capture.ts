/** Traffic of other programs that the kernel leads to listeners, as listeners see it. Types only. */

/** What a program of this host sends, or what comes for one. */
export type CaptureDirection = 'outbound' | 'inbound';

export interface CapturePlace {
  readonly address: string;
  readonly port: number;
}

/** A listener that takes what is captured. */
export interface CaptureListener extends CapturePlace {
  readonly direction: CaptureDirection;
  readonly transport: 'tcp' | 'udp';
  /** It takes what is for these only, before listeners that take all. Empty: it takes all. */
  readonly destinations: readonly CapturePlace[];
}

/** A session's ends as they were before it was led here. */
export interface CapturedEnds {
  /** Who has begun it. */
  readonly source: CapturePlace;
  /** Where it was to go. */
  readonly destination: CapturePlace;
}

export interface CaptureTable {
  /**
   * Has the kernel lead sessions to a listener that listens; what is called when it doesn't any more. That which came last has
   * them. @throws ProxyError where the kernel has no room for its destinations
   */
  open(listener: CaptureListener): () => void;
  /** `remote`: whom the listener sees. Undefined: the session was not led here. */
  original(listener: CaptureListener, remote: CapturePlace): CapturedEnds | undefined;
}
