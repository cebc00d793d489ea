/** The fault of an object that has a name which another one has before it. */
import { typeUrlOf } from '../../config/wire-kinds.ts';
import type { Fault } from '../../gen/messages.ts';
import type { Resource } from '../core/resource.ts';
import { type ConfigObject, idOf, isWireKind } from '../model/object.ts';

export function clash(object: ConfigObject, resource: Resource, winner: ConfigObject): Fault {
  const kind = resource.typeUrl.slice(resource.typeUrl.lastIndexOf('.') + 1);
  const named = isWireKind(object.key.kind) ? typeUrlOf(object.key.kind) : object.key.kind;
  const itself = resource.name === object.key.name && resource.typeUrl === named;
  return {
    path: itself ? 'name' : '',
    expected: itself ? `a name that no other ${kind} has` : `no other ${kind} "${resource.name}"`,
    found: `"${resource.name}", which ${idOf(winner.key)} (${winner.source}) has`,
  };
}
