/** Kinds of objects, and the lists of a configuration that hold them. */
import type { ConfigObjects, Kind } from './snapshot.ts';

export type ListName = keyof ConfigObjects;

export const LIST_OF: Readonly<Record<Kind, ListName>> = {
  Listener: 'listeners',
  Cluster: 'clusters',
  RuleList: 'rulelists',
  Rule: 'rules',
  Route: 'routes',
};

export const KINDS = Object.keys(LIST_OF) as readonly Kind[];

export const KIND_OF = Object.fromEntries(KINDS.map((kind) => [LIST_OF[kind], kind])) as Readonly<
  Record<ListName, Kind>
>;

export const LISTS: readonly ListName[] = Object.values(LIST_OF);
