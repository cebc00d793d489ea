/** TLS contexts of files or PEM text, made anew when the files change. */
import { readFileSync, statSync, unwatchFile, watchFile } from 'node:fs';
import { createRequire } from 'node:module';
import type { SecureContext, SecureContextOptions } from 'node:tls';
import type { TlsClient, TlsServer } from '../../gen/l7mp/config/v1/types.ts';
import { ProxyError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';

const require = createRequire(import.meta.url);

/** Loaded at once where it is needed, since listeners and connectors are made at once; and nowhere else. */
export const loadTls = (): typeof import('node:tls') => require('node:tls') as typeof import('node:tls');

/** How often files are looked at, and how long a change may take to be complete, in ms. */
const WATCH_INTERVAL = 1000;
const SETTLE = 100;

/** What is made of files. It is `current` until what is made of changed files takes its place; a bad file doesn't. */
export class Reloading<T> {
  current: T;
  private readonly files: readonly string[];
  private readonly make: () => T;
  private readonly log: Logger;
  private readonly madeAt = Date.now();
  private timer: NodeJS.Timeout | undefined;
  private watching = false;

  /** `values` are those of the configuration: names of files, or PEM text. @throws what `make` throws the first time. */
  constructor(values: readonly (string | undefined)[], make: () => T, log: Logger) {
    this.make = make;
    this.log = log;
    this.files = [...new Set(values.filter((value) => value !== undefined && !isInline(value)))] as string[];
    this.current = make();
  }

  /** Begins to look at the files; until `close`. */
  watch(): void {
    if (this.watching) return;
    this.watching = true;
    for (const file of this.files) {
      // By polling: files that are mounted or linked anew are missed by inotify, and a second is soon enough.
      watchFile(file, { interval: WATCH_INTERVAL, persistent: false }, this.changed);
      const changedAt = statSync(file, { throwIfNoEntry: false })?.ctimeMs ?? Infinity;
      if (changedAt >= this.madeAt) this.changed();
    }
  }

  close(): void {
    clearTimeout(this.timer);
    for (const file of this.files) unwatchFile(file, this.changed);
  }

  /** A certificate and its key change together: they are read when both have had the time. */
  private readonly changed = (): void => {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.reload();
    }, SETTLE).unref();
  };

  private reload(): void {
    const { files, log } = this;
    try {
      this.current = this.make();
      log.info({ files }, 'certificates were loaded again');
    } catch (error) {
      log.error({ files, error: ProxyError.from(error).message }, 'certificates stay as they were');
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
}

/** @throws ProxyError `INVALID_CONFIG` */
export function watchServer(spec: TlsServer, log: Logger): Reloading<ServerContexts> {
  const { ca, certificates, ciphers, min_version: minVersion } = spec;
  const contextOf = (path: string, cert: string, key: string): SecureContext =>
    makeContext(path, {
      cert: readPem(`${path}.cert`, cert),
      key: readPem(`${path}.key`, key),
      minVersion,
      honorCipherOrder: true,
      // Without one, OpenSSL refuses to resume sessions of clients with certificates.
      sessionIdContext: 'l7mp',
      ...(ca !== undefined && { ca: readAuthorities('tls.ca', ca) }),
      ...(ciphers !== undefined && { ciphers }),
    });
  const make = (): ServerContexts => ({
    main: contextOf('tls', spec.cert, spec.key),
    named: certificates.map(({ server_names, cert, key }, index) => ({
      names: server_names.map((name) => name.toLowerCase()),
      context: contextOf(`tls.certificates[${index}]`, cert, key),
    })),
  });
  const values = [spec.cert, spec.key, ca, ...certificates.flatMap(({ cert, key }) => [cert, key])];
  return new Reloading(values, make, log);
}

/** @throws ProxyError `INVALID_CONFIG` */
export function watchClient(spec: TlsClient, log: Logger): Reloading<SecureContext> {
  const { ca, cert, key, min_version: minVersion } = spec;
  if ((cert === undefined) !== (key === undefined)) {
    throw invalid('tls', 'cert and key, or neither', cert === undefined ? 'only key' : 'only cert');
  }
  const make = (): SecureContext =>
    makeContext('tls', {
      minVersion,
      ...(ca !== undefined && { ca: readAuthorities('tls.ca', ca) }),
      ...(cert !== undefined && { cert: readPem('tls.cert', cert) }),
      ...(key !== undefined && { key: readPem('tls.key', key) }),
    });
  return new Reloading([ca, cert, key], make, log);
}

function makeContext(path: string, options: SecureContextOptions): SecureContext {
  try {
    return loadTls().createSecureContext(options);
  } catch (error) {
    const { message } = ProxyError.from(error);
    throw invalid(path, 'a certificate, its key, and ciphers that OpenSSL knows', message);
  }
}

/** PEM text as it stands, else the content of the file of that name. */
function readPem(path: string, value: string): string {
  if (isInline(value)) return value;
  try {
    return readFileSync(value, 'latin1');
  } catch (error) {
    throw invalid(path, 'a PEM file that can be read', ProxyError.from(error).message);
  }
}

/** Node.js passes over what is no certificate; then nobody would be trusted, and nobody told. */
function readAuthorities(path: string, value: string): string {
  const { X509Certificate } = require('node:crypto') as typeof import('node:crypto');
  const text = readPem(path, value);
  const certificates = text.match(/-----BEGIN [^-]*CERTIFICATE-----[^-]*-----END [^-]*CERTIFICATE-----/gu);
  if (certificates === null) throw invalid(path, 'certificates in PEM', 'none');
  certificates.forEach((certificate, index) => {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      throw invalid(path, 'certificates in PEM', `number ${index + 1}: ${ProxyError.from(error).message}`);
    }
  });
  return text;
}

function invalid(path: string, expected: string, found: string): ProxyError {
  return new ProxyError('INVALID_CONFIG', `${path}: expected ${expected}, found ${found}`);
}
