/** Where a proxy of a Gateway has its own files, and what of others' volumes does not fit beside them. Pure. */
import type { Fault } from '../../../common/errors.ts';
import type { Parameters } from './parameters.ts';

/** Mount paths of the proxy's own volumes, by name. */
export const OWN_FILES = { config: '/etc/l7mp', state: '/var/lib/l7mp', secrets: '/var/run/secrets/l7mp' } as const;

/** Names and places that are taken, and mounts of volumes that are not there. */
export function fileFaults({ volumes = [], volumeMounts = [] }: Parameters): Fault[] {
  const own = { names: Object.keys(OWN_FILES), paths: Object.values(OWN_FILES) };
  const names = volumes.map(({ name }) => name);
  return [
    ...names
      .filter((name) => own.names.includes(name))
      .map((name) => ({ path: 'volumes', expected: `a name apart from ${own.names.join(', ')}`, found: name })),
    ...volumeMounts.flatMap(({ name, mountPath }): Fault[] => {
      if (!names.includes(name)) {
        const expected = names.length === 0 ? 'volumes beside it' : `one of ${names.join(', ')}`;
        return [{ path: `volumeMounts[${mountPath}].name`, expected, found: name }];
      }
      const where = mountPath.replace(/\/*$/u, '/');
      if (!own.paths.some((path) => `${path}/`.startsWith(where) || where.startsWith(`${path}/`))) return [];
      return [{ path: 'volumeMounts', expected: `a path apart from ${own.paths.join(', ')}`, found: mountPath }];
    }),
  ];
}
