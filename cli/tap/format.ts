/** What a tap is written as: each record becomes bytes or text, or nothing. */
import type { TapRecord } from '../../dataplane/taps/records.ts';

export type Format = (record: TapRecord) => Buffer | string | undefined;
