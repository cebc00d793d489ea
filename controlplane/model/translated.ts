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
