/** gRPC's server reflection: what services there are, for clients such as grpcurl that have no proto files. */
import protobuf from 'protobufjs';
import descriptor from 'protobufjs/ext/descriptor.js';
import { fileDescriptorSet } from '../../gen/descriptors.ts';
import type { ServerReflectionRequest, ServerReflectionResponse } from '../../gen/messages.ts';
import { type Service, STATUS } from '../core/rpc.ts';

/** A file, encoded, and the names of those that it imports. */
interface File {
  readonly bytes: Buffer;
  readonly imports: readonly string[];
}

/** What can be asked for. */
interface Index {
  readonly files: ReadonlyMap<string, File>;
  /** The file of a message, enumeration, service or method, by its full name. */
  readonly symbols: ReadonlyMap<string, string>;
  /** By message, the file of each extension, by its number. */
  readonly extensions: ReadonlyMap<string, ReadonlyMap<number, string>>;
}

interface Message {
  readonly name: string;
  readonly nestedType?: readonly Message[];
  readonly enumType?: readonly { readonly name: string }[];
  readonly extension?: readonly Extension[];
}

interface Extension {
  readonly name: string;
  readonly number: number;
  readonly extendee: string;
}

interface FileFields {
  readonly name: string;
  readonly package?: string;
  readonly dependency?: readonly string[];
  readonly messageType?: readonly Message[];
  readonly enumType?: readonly { readonly name: string }[];
  readonly service?: readonly { readonly name: string; readonly method?: readonly { readonly name: string }[] }[];
  readonly extension?: readonly Extension[];
}

/** Reflection of the services of these names, under its two names: version 1, and what tools asked before. */
export function createReflection(names: readonly string[]): readonly Service[] {
  const definition = 'grpc.reflection.v1.ServerReflection';
  const listed = [...names, definition].toSorted();
  let index: Index | undefined;

  async function* answer(requests: AsyncIterable<ServerReflectionRequest>): AsyncGenerator<ServerReflectionResponse> {
    for await (const request of requests) {
      index ??= readIndex(); // few servers are ever asked
      yield { valid_host: request.host, original_request: request, ...answerTo(request, index, listed) };
    }
  }

  return [definition, 'grpc.reflection.v1alpha.ServerReflection'].map((name) => ({
    name,
    definition,
    methods: { ServerReflectionInfo: answer },
  }));
}

type Answer = Omit<ServerReflectionResponse, 'valid_host' | 'original_request'>;

function answerTo(request: ServerReflectionRequest, index: Index, listed: readonly string[]): Answer {
  const {
    file_by_filename: filename,
    file_containing_symbol: symbol,
    file_containing_extension: extension,
    all_extension_numbers_of_type: extended,
  } = request;
  if (request.list_services !== undefined) {
    return { list_services_response: { service: listed.map((name) => ({ name })) } };
  }
  if (filename !== undefined) return filesOf(index, filename, filename);
  if (symbol !== undefined) return filesOf(index, index.symbols.get(symbol), symbol);
  if (extension !== undefined) {
    const { containing_type: type, extension_number: number } = extension;
    return filesOf(index, index.extensions.get(type)?.get(number), `${type}, field ${number}`);
  }
  if (extended !== undefined) {
    if (!index.symbols.has(extended)) return failure(STATUS.NOT_FOUND, `there is no ${extended}`);
    const numbers = [...(index.extensions.get(extended)?.keys() ?? [])];
    return { all_extension_numbers_response: { base_type_name: extended, extension_number: numbers } };
  }
  return failure(STATUS.INVALID_ARGUMENT, 'expected a question, found none');
}

/** A file with those that it imports, each once. */
function filesOf({ files }: Index, name: string | undefined, asked: string): Answer {
  if (name === undefined || !files.has(name)) return failure(STATUS.NOT_FOUND, `there is no ${asked}`);
  const wanted = new Set([name]);
  const found: Buffer[] = [];
  for (const each of wanted) {
    const file = files.get(each);
    if (file === undefined) continue;
    found.push(file.bytes);
    for (const imported of file.imports) wanted.add(imported);
  }
  return { file_descriptor_response: { file_descriptor_proto: found } };
}

function failure(code: number, message: string): Answer {
  return { error_response: { error_code: code, error_message: message } };
}

function readIndex(): Index {
  const files = new Map<string, File>();
  const symbols = new Map<string, string>();
  const extensions = new Map<string, Map<number, string>>();
  // Each file's own bytes are handed out: decoded and encoded again it would lose the options that only we know.
  const reader = protobuf.Reader.create(Buffer.from(fileDescriptorSet, 'base64'));
  while (reader.pos < reader.len) {
    reader.uint32();
    const bytes = Buffer.from(reader.bytes());
    const file = descriptor.FileDescriptorProto.decode(bytes) as unknown as FileFields;
    files.set(file.name, { bytes, imports: file.dependency ?? [] });
    const scope = file.package ? `${file.package}.` : '';
    const define = (name: string): void => void symbols.set(name, file.name);
    const extend = (list: readonly Extension[] = [], prefix: string): void => {
      for (const { name, number, extendee } of list) {
        define(prefix + name);
        const type = extendee.replace(/^\./u, '');
        let numbers = extensions.get(type);
        if (numbers === undefined) extensions.set(type, (numbers = new Map<number, string>()));
        numbers.set(number, file.name);
      }
    };
    const defineMessage = (message: Message, prefix: string): void => {
      define(prefix + message.name);
      const inner = `${prefix}${message.name}.`;
      for (const nested of message.nestedType ?? []) defineMessage(nested, inner);
      for (const { name } of message.enumType ?? []) define(inner + name);
      extend(message.extension, inner);
    };
    for (const message of file.messageType ?? []) defineMessage(message, scope);
    for (const { name } of file.enumType ?? []) define(scope + name);
    for (const service of file.service ?? []) {
      define(scope + service.name);
      for (const { name } of service.method ?? []) define(`${scope}${service.name}.${name}`);
    }
    extend(file.extension, scope);
  }
  return { files, symbols, extensions };
}
