/** The control plane's own certificate: replicas share it by a Secret, and whoever finds it due first makes it anew. */
import type { Logger } from '../../../common/log.ts';
import { LONGEST_TIMER } from '../../../common/timer.ts';
import { codeOf } from '../api/addressing.ts';
import type { Secret } from '../api/core-kinds.ts';
import { SECRET } from '../api/core-types.ts';
import { MANAGED_BY, MANAGED_BY_LABEL } from '../api/names.ts';
import { type Bundle, fromSecretData, toSecretData, trusted } from './bundle.ts';
import type { CertificatesClient } from './client.ts';
import { AGES, type Ages, nextChange, renewed } from './rotation.ts';

/** PEM texts. */
export interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
  /** All authorities that clients are to trust. */
  readonly ca: string;
}

export interface CertificateManagerOptions {
  readonly client: CertificatesClient;
  /** Where the Secret is, and what it is called. */
  readonly namespace: string;
  readonly secret: string;
  /** DNS names and IP addresses of the server. */
  readonly names: readonly string[];
  readonly log: Logger;
  readonly ages?: Ages;
  /** In ms since the epoch. */
  readonly now?: () => number;
}

/** Replicas that are as fast as each other try again; so often. */
const MAX_TRIES = 10;
/** Replicas look for what is due within so long of each other, so that mostly one makes it, in ms. */
const JITTER = 60_000;
/** After the API server has failed, in ms. */
const RETRY = 30_000;

export class CertificateManager {
  readonly #options: Required<CertificateManagerOptions>;
  #bundle: Bundle | undefined;
  #timer: NodeJS.Timeout | undefined;
  #busy: Promise<void> = Promise.resolve();
  #closed = false;
  readonly #listeners: ((certificate: ServerCertificate) => void)[] = [];

  private constructor(options: CertificateManagerOptions) {
    this.#options = { ages: AGES, now: Date.now, ...options };
  }

  /** Reads the Secret, or makes it. @throws what the API server answers */
  static async open(options: CertificateManagerOptions): Promise<CertificateManager> {
    const manager = new CertificateManager(options);
    await manager.#update();
    return manager;
  }

  /** Hears of a certificate or authorities that have changed. */
  onChange(listener: (certificate: ServerCertificate) => void): void {
    this.#listeners.push(listener);
  }

  get current(): ServerCertificate {
    const bundle = this.#bundle;
    if (!bundle) throw new Error('expected a certificate manager that is open');
    const { cert, key } = bundle.server;
    return { cert, key, ca: trusted(bundle.authorities) };
  }

  /** Looks at the Secret now: for who sees that it has changed. Failures are logged, and tried again. */
  refresh(): Promise<void> {
    this.#busy = this.#busy.then(async () => {
      if (this.#closed) return;
      try {
        await this.#update();
      } catch (error) {
        const { secret, log } = this.#options;
        log.error({ secret, error: messageOf(error) }, 'the certificate could not be looked after; it stays for now');
        this.#wait(RETRY);
      }
    });
    return this.#busy;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#busy;
    clearTimeout(this.#timer);
  }

  async #update(): Promise<void> {
    const { names, now, ages, log, secret: name } = this.#options;
    for (let tries = 1; ; tries++) {
      const secret = await this.#read();
      const found = secret && this.#parse(secret);
      // Where somebody has deleted or broken it, what is in use goes on.
      const next = await renewed(found ?? this.#bundle, names, now(), ages);
      if (next === found) {
        this.#adopt(next);
        return;
      }
      try {
        await this.#write(secret, next);
      } catch (error) {
        if (codeOf(error) === 409 && tries < MAX_TRIES) continue; // another replica was first
        throw error;
      }
      const { notAfter } = next.server;
      log.info({ secret: name, notAfter, authorities: next.authorities.length }, 'the certificate was renewed');
      this.#adopt(next);
      return;
    }
  }

  async #read(): Promise<Secret | undefined> {
    const { client, namespace, secret: name } = this.#options;
    try {
      return await client.get(SECRET, { namespace, name });
    } catch (error) {
      if (codeOf(error) === 404) return undefined;
      throw error;
    }
  }

  #parse({ data = {} }: Secret): Bundle | undefined {
    try {
      return fromSecretData(data);
    } catch (error) {
      const { secret, log } = this.#options;
      log.warn({ secret, error: messageOf(error) }, 'the certificate can not be read: it is made anew');
      return undefined;
    }
  }

  async #write(secret: Secret | undefined, bundle: Bundle): Promise<void> {
    const { client, namespace, secret: name } = this.#options;
    const data = toSecretData(bundle);
    if (secret) {
      await client.replace(SECRET, { ...secret, data } as Secret);
      return;
    }
    const labels = { 'app.kubernetes.io/name': 'l7mp', [MANAGED_BY_LABEL]: MANAGED_BY };
    const metadata = { namespace, name, labels };
    await client.create(SECRET, { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata, data } as Secret);
  }

  #adopt(bundle: Bundle): void {
    const { now, ages } = this.#options;
    const before = this.#bundle && this.current;
    this.#bundle = bundle;
    this.#wait(Math.max(0, nextChange(bundle, ages) - now()) + Math.random() * JITTER);
    const { cert, ca } = this.current;
    if (before && (before.cert !== cert || before.ca !== ca))
      for (const listener of this.#listeners) listener(this.current);
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.refresh(), Math.min(ms, LONGEST_TIMER));
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
