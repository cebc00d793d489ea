/** `l7mp check`: validates a configuration, and starts nothing. */
import { text as readAll } from 'node:stream/consumers';
import { withPlugins } from '../dataplane/config/decode.ts';
import { loadFile, loadText } from '../dataplane/config/load.ts';
import { danglingReferences } from '../dataplane/config/references.ts';
import { FaultsError, formatFault } from '../dataplane/core/errors.ts';
import { EXIT } from './exit.ts';
import { loadPlugins } from './plugins.ts';

export async function check(file: string, options: { json?: true; plugin?: readonly string[] }): Promise<void> {
  const schema = withPlugins(await loadPlugins(options.plugin));
  try {
    const load = file === '-' ? loadText(await readAll(process.stdin), { schema }) : loadFile(file, { schema });
    const warnings = danglingReferences(await load);
    if (options.json) console.log(JSON.stringify({ ok: true, faults: [], warnings }));
    else {
      for (const warning of warnings) console.error(`${file}: warning: ${formatFault(warning)}`);
      console.log(`${file}: ok`);
    }
  } catch (error) {
    if (!(error instanceof FaultsError)) throw error;
    process.exitCode = EXIT.config;
    if (options.json) console.log(JSON.stringify({ ok: false, faults: error.faults, warnings: [] }));
    else {
      for (const { line, ...fault } of error.faults) console.error(`${file}:${line ?? 1}: ${formatFault(fault)}`);
    }
  }
}
