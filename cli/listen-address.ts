/** Addresses of options that say where a server listens. */
import { UsageError } from './exit.ts';

/** `127.0.0.1:1235`, `[::1]:1235`, `:1235` on all addresses. @throws UsageError */
export function toAddress(option: string, text: string): { host: string; port: number } {
  const [, inBrackets, host, port] = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/u.exec(text) ?? [];
  if (port === undefined || Number(port) > 65_535) {
    throw new UsageError(`${option}: expected HOST:PORT, as in 127.0.0.1:1235, found "${text}"`);
  }
  return { host: inBrackets ?? (host === '' || host === undefined ? '::' : host), port: Number(port) };
}
