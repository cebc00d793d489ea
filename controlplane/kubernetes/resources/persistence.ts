/** Session persistence in custom resources: its tokens are worth the same in all proxies, whether it has a key or not. */
import { withKey } from '../api/service-settings.ts';
import type { Place } from './context.ts';
import { isJsonObject } from '../../../common/json.ts';
import type { Plain } from '../api/plain.ts';

/** The `persistence` of a route or a cluster at a path of its object, with the object's key where it has none. */
export function persistenceIn({ making }: Place, { persistence }: Plain, path: string): Plain {
  if (!isJsonObject(persistence) || persistence['key'] !== undefined) return {};
  return { persistence: withKey(persistence, making.object, path) };
}
