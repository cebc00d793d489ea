/** What the translation makes of objects. Types only. */
import type { Fault, ObjectKey } from '../../gen/messages.ts';
import type { Resource } from '../core/resource.ts';
import type { ConfigObject } from './object.ts';
import type { Audience } from './audience.ts';

/** An object that is to be translated: there may be two of one key while a rollout is under way. */
export interface Input {
  /** The object's id; of a rollout's candidate with the rollout in front. */
  readonly id: string;
  readonly object: ConfigObject;
  readonly audience: Audience;
}

/** What proxies get of one input. */
export interface Translated {
  readonly id: string;
  readonly key: ObjectKey;
  /** Of the object that the resources are of: the last good one. */
  readonly version: string;
  readonly audience: Audience;
  /** The same for equal audiences. */
  readonly audienceKey: string;
  readonly resources: readonly Resource[];
}

/** What an update of the translation changed. */
export interface Translation {
  readonly upsert: readonly Translated[];
  readonly remove: readonly string[];
  /** Inputs whose faults changed. */
  readonly restated: readonly string[];
}

/** Whether an object can be used. */
export interface Verdict {
  readonly accepted: boolean;
  readonly faults: readonly Fault[];
}

/** Objects that are to be made or replaced, and those that go. */
export interface Proposal {
  readonly upsert: readonly ConfigObject[];
  /** Those that are named, too, and stay as they are. */
  readonly unchanged: readonly ConfigObject[];
  /** Ids. */
  readonly gone: ReadonlySet<string>;
}

/** An object with names that nothing would have. */
export interface Dangling {
  readonly key: ObjectKey;
  readonly warnings: readonly Fault[];
}

/** What a change would come to, by the ids of objects: those that are all right are not in it. */
export interface Findings {
  readonly faults: ReadonlyMap<string, readonly Fault[]>;
  /** Of what the proposal names. */
  readonly dangling: ReadonlyMap<string, Dangling>;
  /** Others, of which the change takes away what they name; the first ones. */
  readonly danglingElsewhere: readonly Dangling[];
}
