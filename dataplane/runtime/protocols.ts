/** The protocols that are loaded, and the listeners and connectors that are made of them. */
import type { ClusterSpec, ListenerSpec } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import type { Logger } from '../../common/log.ts';
import type { CaptureTable } from '../core/capture.ts';
import type { AnyProtocol, Connector, Listener, Services } from '../core/protocol.ts';
import type { SecretSource } from '../../common/secrets.ts';
import type { Accept, Refused } from '../core/session.ts';

/** Where the clients of a listener go. */
export interface Admitting {
  readonly accept: Accept;
  readonly refused: Refused;
}

/** Loads a protocol by its name; undefined where there is none of the name. */
export type ProtocolLoader = (name: string) => Promise<AnyProtocol | undefined>;

type Spec = ListenerSpec | ClusterSpec;

export class ProtocolRegistry {
  private readonly load: ProtocolLoader;
  private readonly services: Services;
  private readonly log: Logger;
  private readonly secrets: SecretSource;
  private readonly capture: CaptureTable | undefined;
  private readonly loaded = new Map<string, AnyProtocol>();

  constructor(load: ProtocolLoader, services: Services, log: Logger, secrets: SecretSource, capture?: CaptureTable) {
    this.load = load;
    this.services = services;
    this.log = log;
    this.secrets = secrets;
    this.capture = capture;
  }

  /** Loads what a spec needs, transports of transports included. @throws ProxyError `UNSUPPORTED`. */
  async prepare(spec: Spec): Promise<void> {
    const { protocol: name } = spec;
    if (!this.loaded.has(name)) {
      const protocol = await this.load(name);
      if (protocol === undefined) throw new ProxyError('UNSUPPORTED', `there is no protocol ${name}`);
      this.loaded.set(name, protocol);
    }
    if ('transport_spec' in spec) await this.prepare(spec.transport_spec);
  }

  /** A prepared protocol. */
  get(name: string): AnyProtocol {
    const protocol = this.loaded.get(name);
    if (protocol === undefined) throw new ProxyError('INTERNAL', `protocol ${name} is not loaded`);
    return protocol;
  }

  /** What a spec rides on in the end: itself, where it has no transport. */
  transport(spec: Spec): AnyProtocol {
    return 'transport_spec' in spec ? this.transport(spec.transport_spec) : this.get(spec.protocol);
  }

  listener(name: string, spec: ListenerSpec, { accept, refused }: Admitting): Listener {
    const { listener } = this.get(spec.protocol);
    if (listener === undefined) throw new ProxyError('UNSUPPORTED', `${spec.protocol} has no listener`);
    return listener({
      name,
      spec,
      accept,
      refused,
      log: this.log,
      secrets: this.secrets,
      capture: this.capture,
      listen: (inner, innerAccept) => this.listener(name, inner, { accept: innerAccept, refused }),
    });
  }

  connector(name: string, spec: ClusterSpec): Connector {
    const { connector } = this.get(spec.protocol);
    if (connector === undefined) throw new ProxyError('UNSUPPORTED', `${spec.protocol} has no cluster`);
    return connector({
      name,
      spec,
      log: this.log,
      secrets: this.secrets,
      services: this.services,
      connector: (inner) => this.connector(name, inner),
    });
  }
}
