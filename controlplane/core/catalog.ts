/** Joins what makes configuration to what serves it. Types only. */
import type { NodeEvent, NodeFacts, Resource, ResourceDelta } from './resource.ts';

/**
 * The resources of all proxies that see the same. Made by `createView` of xds/view.ts; changed by whoever translates; read
 * by the discovery service, which hears of changes by itself.
 */
export interface View {
  /** Resources of now, by type URL and name. */
  resources(typeUrl: string): ReadonlyMap<string, Resource>;
  /** Makes a change visible as a whole: the streams are pushed what they subscribe to, in make-before-break order. */
  apply(delta: ResourceDelta): void;
}

/** Whoever decides what a proxy gets. */
export interface Catalog {
  /** The view of a proxy; the same object for proxies that see the same. Called when a stream names its node. */
  attach(node: NodeFacts): View;
  /** The proxy's last stream has ended. */
  detach(id: string): void;
  /** A proxy that is attached sees something else from now on (labels or configuration changed): set by the discovery service. */
  onMove: (id: string, view: View) => void;
  /** Hears what proxies say. */
  readonly observe: (event: NodeEvent) => void;
}
