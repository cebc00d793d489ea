/** `l7mp config`: prints what a running proxy does, as its file would say it. */
import { type ApiOptions, get } from './api.ts';

export async function config(options: ApiOptions): Promise<void> {
  const found = await get<Record<string, unknown> & { readonly admin?: Record<string, unknown> }>(
    options,
    '/api/v1/config',
  );
  // What is the process's and not the file's.
  delete found['sessions'];
  delete found.admin?.['version'];
  if (options.json) console.log(JSON.stringify(found, null, 2));
  else process.stdout.write((await import('yaml')).stringify(found));
}
