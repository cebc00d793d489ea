/** TLS contexts of files, secrets or PEM text, made anew when the files or secrets change. */
import { readFileSync } from 'node:fs';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { Secret, TlsClient, TlsServer } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../../common/errors.ts';
import { FilePoller } from '../../common/file-poller.ts';
import type { Logger } from '../../common/log.ts';
import { type SecretSource, secretName } from '../../common/secrets.ts';
import { authorities, expiryOf, loadTls } from '../../common/tls.ts';

/** How long a change may take to be complete, in ms. */
const SETTLE = 100;

/** What TLS contexts are made with, beside their settings. */
export interface TlsSurroundings {
  readonly log: Logger;
  readonly secrets: SecretSource;
}

/**
 * What is made of files and secrets. It is `current` until what is made of changed ones takes its place; bad ones, and
 * secrets that are gone, don't.
 */
export class Reloading<T> {
  current: T;
  private readonly files: readonly string[];
  /** What it was made of. */
  private readonly used: Map<string, Secret | undefined>;
  private readonly make: () => T;
  private readonly surroundings: TlsSurroundings;
  private readonly poller: FilePoller;
  private timer: NodeJS.Timeout | undefined;
  private unwatchSecrets: (() => void) | undefined;
  private closed = false;

  /** `values` are those of the configuration: names of files, secrets, or PEM text. @throws what `make` throws the first time. */
  constructor(values: readonly (string | undefined)[], make: () => T, surroundings: TlsSurroundings) {
    this.make = make;
    this.surroundings = surroundings;
    const given = [...new Set(values.filter((value) => value !== undefined))];
    this.files = given.filter((value) => !isInline(value) && secretName(value) === undefined);
    const names = given.map(secretName).filter((name) => name !== undefined);
    this.used = new Map(names.map((name) => [name, surroundings.secrets.get(name)]));
    this.poller = new FilePoller(this.files, () => this.changed());
    this.current = make();
  }

  /** Begins to look at the files and secrets; until `close`. */
  watch(): void {
    if (this.unwatchSecrets || this.closed) return;
    this.poller.start();
    this.unwatchSecrets =
      this.used.size > 0 ? this.surroundings.secrets.watch(() => this.takeSecrets()) : () => undefined;
    this.takeSecrets();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.poller.close();
    this.unwatchSecrets?.();
  }

  /** A certificate and its key change together: they are read when both have had the time. */
  private changed(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.reload();
    }, SETTLE).unref();
  }

  private takeSecrets(): void {
    const { secrets } = this.surroundings;
    let changed = false;
    for (const [name, used] of this.used) {
      const secret = secrets.get(name);
      if (secret === undefined || secret === used) continue;
      this.used.set(name, secret);
      changed = true;
    }
    if (changed) this.reload();
  }

  private reload(): void {
    const { files, surroundings } = this;
    const fields = { files, secrets: [...this.used.keys()] };
    try {
      this.current = this.make() ?? this.current;
      surroundings.log.info(fields, 'certificates were loaded again');
    } catch (error) {
      surroundings.log.error({ ...fields, error: ProxyError.from(error).message }, 'certificates stay as they were');
    }
  }
}

function isInline(value: string): boolean {
  return value.includes('-----BEGIN ');
}

/** Contexts of a listener: by server name, and one for all other names. */
export interface ServerContexts {
  readonly main: SecureContext;
  readonly named: readonly { readonly names: readonly string[]; readonly context: SecureContext }[];
  /** When the first of all their certificates ends, in ms since the epoch; undefined where that can't be read. */
  readonly expiry: number | undefined;
}

/** @throws ProxyError `INVALID_CONFIG` */
export function watchServer(spec: TlsServer, surroundings: TlsSurroundings): Reloading<ServerContexts> {
  const { ca, certificates, ciphers, min_version: minVersion } = spec;
  const { secrets } = surroundings;
  const contextOf = (path: string, cert: string, key: string): SecureContext =>
    makeContext(path, {
      cert,
      key: readPem(`${path}.key`, key, 'key', secrets),
      minVersion,
      honorCipherOrder: true,
      // Without one, OpenSSL refuses to resume sessions of clients with certificates.
      sessionIdContext: 'l7mp',
      ...(ca !== undefined && { ca: authorities('tls.ca', readPem('tls.ca', ca, 'ca', secrets)) }),
      ...(ciphers !== undefined && { ciphers }),
    });
  const make = (): ServerContexts => {
    const chains: string[] = [];
    const chainOf = (path: string, cert: string): string => {
      const chain = readPem(`${path}.cert`, cert, 'cert', secrets);
      chains.push(chain);
      return chain;
    };
    return {
      main: contextOf('tls', chainOf('tls', spec.cert), spec.key),
      named: certificates.map(({ server_names, cert, key }, index) => {
        const path = `tls.certificates[${index}]`;
        return {
          names: server_names.map((name) => name.toLowerCase()),
          context: contextOf(path, chainOf(path, cert), key),
        };
      }),
      expiry: expiryOf(chains.join('\n')),
    };
  };
  const values = [spec.cert, spec.key, ca, ...certificates.flatMap(({ cert, key }) => [cert, key])];
  return new Reloading(values, make, surroundings);
}

/** Undefined as long as a secret is missing. @throws ProxyError `INVALID_CONFIG` */
export function watchClient(spec: TlsClient, surroundings: TlsSurroundings): Reloading<SecureContext | undefined> {
  const { ca, cert, key, min_version: minVersion } = spec;
  const { secrets } = surroundings;
  if ((cert === undefined) !== (key === undefined)) {
    throw invalid('tls', 'cert and key, or neither', cert === undefined ? 'only key' : 'only cert');
  }
  const values = [ca, cert, key];
  const isMissing = (value: string | undefined): boolean => {
    const name = secretName(value);
    return name !== undefined && secrets.get(name) === undefined;
  };
  const make = (): SecureContext | undefined =>
    values.some(isMissing)
      ? undefined
      : makeContext('tls', {
          minVersion,
          ...(ca !== undefined && { ca: authorities('tls.ca', readPem('tls.ca', ca, 'ca', secrets)) }),
          ...(cert !== undefined && { cert: readPem('tls.cert', cert, 'cert', secrets) }),
          ...(key !== undefined && { key: readPem('tls.key', key, 'key', secrets) }),
        });
  return new Reloading(values, make, surroundings);
}

function makeContext(path: string, options: SecureContextOptions): SecureContext {
  try {
    return loadTls().createSecureContext(options);
  } catch (error) {
    const { message } = ProxyError.from(error);
    throw invalid(path, 'a certificate, its key, and ciphers that OpenSSL knows', message);
  }
}

/** PEM text as it stands, that of a secret, else the content of the file of that name. */
function readPem(path: string, value: string, field: 'cert' | 'key' | 'ca', secrets: SecretSource): string {
  if (isInline(value)) return value;
  const name = secretName(value);
  if (name !== undefined) {
    const secret = secrets.get(name);
    const text = secret?.[field];
    if (text !== undefined) return text;
    throw invalid(
      path,
      `a secret "${name}" with ${field}, from the control plane`,
      secret ? `no ${field}` : 'no secret',
    );
  }
  try {
    return readFileSync(value, 'latin1');
  } catch (error) {
    throw invalid(path, 'a PEM file that can be read', ProxyError.from(error).message);
  }
}

function invalid(path: string, expected: string, found: string): ProxyError {
  return new ProxyError('INVALID_CONFIG', `${path}: expected ${expected}, found ${found}`);
}
