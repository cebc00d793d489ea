/** Helm, as `scripts/setup-tests.sh` builds it. */
import { join } from 'node:path';
import { type Result, runCommand } from '../command.ts';
import { BIN } from './program.ts';

export function helm(...args: string[]): Promise<Result> {
  return runCommand(join(BIN, 'helm'), args);
}
