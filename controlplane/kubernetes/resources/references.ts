/** Names in custom resources: `name`, `namespace/name`, `name:port` of a Service, or the path of an object in the API. */

export interface Reference {
  /** The namespace of what has the name, unless the name says another. */
  readonly namespace: string;
  readonly name: string;
  /** Of a Service: a number, or the port's name. */
  readonly port?: string;
}

const LABEL = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const NAME = `${LABEL}(?:\\.${LABEL})*`;
const SHORT = new RegExp(`^(?:(${LABEL})/)?(${NAME})(?::([a-z0-9-]{1,15}))?$`, 'u');
const PATH = new RegExp(`^/apis/l7mp\\.io/v1/namespaces/(${LABEL})/[a-z]+/(${NAME})$`, 'u');

/** What a name means in a namespace; undefined where it can't be one. */
export function parseReference(text: string, home: string): Reference | undefined {
  const [, inPath, atEnd] = PATH.exec(text) ?? [];
  if (inPath !== undefined && atEnd !== undefined) return { namespace: inPath, name: atEnd };
  const [, namespace = home, name, port] = SHORT.exec(text) ?? [];
  return name === undefined ? undefined : { namespace, name, ...(port !== undefined && { port }) };
}
