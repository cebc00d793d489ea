/** `l7mp check`: does with a configuration what `l7mp proxy` does before it listens, and what its reload does before that. */
import { BLANK, isBlank } from '../config/blank.ts';
import { decodeConfig, withPlugins } from '../config/decode.ts';
import { parseText } from '../config/parse.ts';
import type { ConfigSnapshot } from '../config/snapshot.ts';
import { doubts } from '../config/doubts.ts';
import { type Fault, FaultsError } from '../common/errors.ts';
import { nameOf, readText } from '../common/text-file.ts';
import type { Plugin } from '../dataplane/core/protocol.ts';
import { createProxy } from '../dataplane/main.ts';
import { EXIT } from './exit.ts';
import { inFile } from './in-file.ts';
import { loadPlugins } from './plugins.ts';

export async function check(file: string, options: { json?: true; plugin?: readonly string[] }): Promise<void> {
  const plugins = await loadPlugins(options.plugin);
  const schema = withPlugins(plugins.map(({ protocol }) => protocol));
  try {
    const text = await readText(file);
    if (isBlank(text)) throw new FaultsError([BLANK]);
    const parsed = await parseText(text);
    const { value: config, faults, places } = { places: undefined, ...decodeConfig(parsed.raw, { schema }) };
    const found = config === undefined ? faults : await tryOut(config, plugins);
    if (config === undefined || found.length > 0) throw new FaultsError(await parsed.locate(found, places));
    const warnings = await parsed.locate(doubts(config), places);
    if (options.json) console.log(JSON.stringify({ ok: true, faults: [], warnings }));
    else {
      for (const warning of warnings) console.error(inFile(file, warning, 'warning: '));
      console.log(`${nameOf(file)}: ok`);
    }
  } catch (error) {
    if (!(error instanceof FaultsError)) throw error;
    process.exitCode = EXIT.config;
    if (options.json) console.log(JSON.stringify({ ok: false, faults: error.faults, warnings: [] }));
    else {
      for (const fault of error.faults) console.error(inFile(file, fault));
    }
  }
}

/** What the proxy would stumble over when it makes all that is configured. */
async function tryOut(config: ConfigSnapshot, plugins: readonly Plugin[]): Promise<readonly Fault[]> {
  try {
    await (await createProxy({ config, plugins, logLevel: 'silent', dryRun: true })).close();
    return [];
  } catch (error) {
    if (error instanceof FaultsError) return error.faults;
    throw error;
  }
}
