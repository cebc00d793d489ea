/** Protocols from outside: JavaScript modules that export `protocol`. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ProxyError } from '../common/errors.ts';
import type { AnyProtocol, Plugin } from '../dataplane/core/protocol.ts';

/** @throws ProxyError that says what was expected of the file. */
export async function loadPlugins(files: readonly string[] = []): Promise<Plugin[]> {
  return Promise.all(files.map(load));
}

async function load(file: string): Promise<Plugin> {
  const url = pathToFileURL(resolve(file)).href;
  let module: { protocol?: Partial<AnyProtocol> };
  try {
    module = (await import(url)) as typeof module;
  } catch (error) {
    throw new ProxyError(
      'INVALID_CONFIG',
      `plugin ${file}: ${error instanceof Error ? error.message : String(error)}`,
      error,
    );
  }
  const { protocol } = module;
  if (typeof protocol?.name !== 'string' || (protocol.listener ?? protocol.connector) === undefined) {
    throw new ProxyError(
      'INVALID_CONFIG',
      `plugin ${file}: expected an export "protocol" with a name and a listener or connector`,
    );
  }
  return { protocol: protocol as AnyProtocol, url };
}
