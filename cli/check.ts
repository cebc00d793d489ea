/** `l7mp check`: does with a configuration what `l7mp proxy` does before it listens, and what its reload does before that. */
import { text as readAll } from 'node:stream/consumers';
import { BLANK, isBlank } from '../config/blank.ts';
import { withPlugins } from '../config/decode.ts';
import { loadText, readText } from '../config/load.ts';
import { doubts } from '../config/doubts.ts';
import { FaultsError, formatFault } from '../common/errors.ts';
import { createProxy } from '../dataplane/main.ts';
import { EXIT } from './exit.ts';
import { loadPlugins } from './plugins.ts';

export async function check(file: string, options: { json?: true; plugin?: readonly string[] }): Promise<void> {
  const plugins = await loadPlugins(options.plugin);
  const schema = withPlugins(plugins.map(({ protocol }) => protocol));
  try {
    const text = file === '-' ? await readAll(process.stdin) : await readText(file);
    if (isBlank(text)) throw new FaultsError([BLANK]);
    const config = await loadText(text, { schema });
    await (await createProxy({ config, plugins, logLevel: 'silent', dryRun: true })).close();
    const warnings = doubts(config);
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
      for (const { line, ...fault } of error.faults)
        console.error(`${file}:${line === undefined ? '' : `${line}:`} ${formatFault(fault)}`);
    }
  }
}
