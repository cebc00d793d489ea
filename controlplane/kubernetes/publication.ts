/** What translations make, as parts of a source: a part for each object of Kubernetes, and put only where it changed. */
import { type ConfigObject, idOf, type ObjectContent, versionOf } from '../model/object.ts';
import type { KubeRef } from './api/object.ts';
import type { OwnedContent } from './api/reader.ts';

/** The name of the part that has what is made of an object, as in `kubernetes:Gateway/shop/web`. */
export function partOf({ kind, namespace, name }: KubeRef): string {
  return `kubernetes:${kind}/${namespace === '' ? '' : `${namespace}/`}${name}`;
}

/** The name of the part that has the endpoints of a service, `NAMESPACE/NAME`. */
export function endpointsPartOf(service: string): string {
  return `kubernetes:endpoints/${service}`;
}

export function toObject(content: ObjectContent, source: string): ConfigObject {
  return { ...content, id: idOf(content.key), version: versionOf(content), revision: 0, source };
}

/** What one translation has put. */
export class Publication {
  /** By part, the ids and versions of its objects. */
  private put = new Map<string, string>();

  /** The parts that are others than at the last call, with what they have from now on: nothing, where they are gone. */
  changes(contents: readonly OwnedContent[]): Map<string, readonly ConfigObject[]> {
    const parts = new Map<string, ConfigObject[]>();
    for (const { owner, content } of contents) {
      const source = partOf(owner);
      const object = toObject(content, source);
      const part = parts.get(source);
      if (part === undefined) parts.set(source, [object]);
      else part.push(object);
    }
    const put = new Map<string, string>();
    const changed = new Map<string, readonly ConfigObject[]>();
    for (const [source, objects] of parts) {
      const print = objects.map(({ id, version }) => `${id}@${version}`).join('\n');
      put.set(source, print);
      if (this.put.get(source) !== print) changed.set(source, objects);
    }
    for (const source of this.put.keys()) if (!put.has(source)) changed.set(source, []);
    this.put = put;
    return changed;
  }
}
