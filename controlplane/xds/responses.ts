/** Responses of the discovery service in parts, so that streams can share what is equal in theirs. */
import protobuf from 'protobufjs';
import type { Resource } from '../core/resource.ts';

export type Variant = 'delta' | 'sotw';

/** How a resource stands in a response: by the service's method, and with its TTL where the client knows that. */
export type Encoding = Variant | `${Variant}-ttl`;

const RESOURCES = 2;
const LENGTH_DELIMITED = 2;

function tag(field: number): number {
  return (field << 3) | LENGTH_DELIMITED;
}

function finish(writer: protobuf.Writer): Buffer {
  const bytes = writer.finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What begins a response: the version of the whole, and the type. */
export function encodeHead(version: string, typeUrl: string): Buffer {
  return finish(protobuf.Writer.create().uint32(tag(1)).string(version).uint32(tag(4)).string(typeUrl));
}

/** What ends it: the nonce, and who answers. */
export function encodeTail(variant: Variant, nonce: string, identifier: string): Buffer {
  const writer = protobuf.Writer.create().uint32(tag(5)).string(nonce);
  writer.uint32(tag(variant === 'delta' ? 7 : 6)).fork();
  writer.uint32(tag(1)).string(identifier).ldelim();
  return finish(writer);
}

/** `removed_resources` of a delta response. */
export function encodeRemoved(names: readonly string[]): Buffer {
  const writer = protobuf.Writer.create();
  for (const name of names) writer.uint32(tag(6)).string(name);
  return finish(writer);
}

/** `resources` of a response. */
export function encodeResources(resources: Iterable<Resource>, encoding: Encoding): Buffer {
  const writer = protobuf.Writer.create();
  for (const resource of resources) writeResource(writer, resource, encoding, true);
  return finish(writer);
}

/** `resources` that only say that they are as they were (rule 9). */
export function encodeHeartbeats(resources: Iterable<Resource>, encoding: Encoding): Buffer {
  const writer = protobuf.Writer.create();
  for (const resource of resources) writeResource(writer, resource, encoding, false);
  return finish(writer);
}

/** State of the world has a bare `Any`, or with a TTL an `Any` of what delta has. */
function writeResource(writer: protobuf.Writer, resource: Resource, encoding: Encoding, body: boolean): void {
  const withTtl = encoding.endsWith('-ttl') && resource.ttlMs !== undefined;
  writer.uint32(tag(RESOURCES));
  if (encoding.startsWith('delta')) {
    writeWrapped(writer.fork(), resource, withTtl, body).ldelim();
  } else if (withTtl) {
    writer.fork();
    writer.uint32(tag(1)).string('type.googleapis.com/envoy.service.discovery.v3.Resource');
    writeWrapped(writer.uint32(tag(2)).fork(), resource, withTtl, body).ldelim();
    writer.ldelim();
  } else {
    writeAny(writer.fork(), resource).ldelim();
  }
}

function writeWrapped(
  writer: protobuf.Writer,
  { version, name, ttlMs, ...rest }: Resource,
  withTtl: boolean,
  body: boolean,
): protobuf.Writer {
  writer.uint32(tag(1)).string(version);
  if (body) writeAny(writer.uint32(tag(2)).fork(), rest).ldelim();
  writer.uint32(tag(3)).string(name);
  if (withTtl && ttlMs !== undefined) {
    writer.uint32(tag(6)).fork();
    writer.uint32(8).int64(Math.floor(ttlMs / 1000));
    writer.uint32(16).int32((ttlMs % 1000) * 1_000_000);
    writer.ldelim();
  }
  return writer;
}

function writeAny(writer: protobuf.Writer, { typeUrl, value }: Pick<Resource, 'typeUrl' | 'value'>): protobuf.Writer {
  return writer.uint32(tag(1)).string(typeUrl).uint32(tag(2)).bytes(value);
}
