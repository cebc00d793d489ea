/** The shape of the generated configuration schema: what the decoder walks, and what documentation is made from. */

/** One field of a message. */
export interface FieldSchema {
  readonly type: 'string' | 'boolean' | 'integer' | 'number' | 'json' | 'message';
  /** The message's name, where the type is `message`. */
  readonly message?: string;
  readonly map?: true;
  readonly repeated?: true;
  /** A number or boolean whose absence means something other than zero or false. */
  readonly optional?: true;
  readonly required?: true;
  /** The decoder gives a value where none stands: the name of an object. */
  readonly assigned?: true;
  /** Stands for an absent field; for a message it is decoded in turn. */
  readonly default?: unknown;
  readonly min?: number;
  readonly max?: number;
  readonly aliases?: readonly string[];
  readonly values?: readonly string[];
  readonly unit?: string;
  readonly format?:
    'json-pointer' | 'regex' | 'address' | 'host' | 'file-mode' | 'port-range' | 'cidr' | 'address-port';
  /** The kind that a name or an inline object refers to. */
  readonly reference?: string;
  readonly infix?: string;
  /** The one field that a plain string sets. */
  readonly shorthand?: string;
}

/** One protocol of a spec. */
export interface Variant {
  readonly message: string;
  /** Its field in the oneof; a plugin's has none. */
  readonly field?: string;
  readonly aliases?: readonly string[];
}

/** A message: its fields, or (a spec) the messages that `protocol` selects from. */
export type MessageSchema =
  | { readonly fields: Readonly<Record<string, FieldSchema>>; readonly variants?: never }
  | {
      readonly variants: Readonly<Record<string, Variant>>;
      readonly fields?: never;
    };

/** All messages by name. */
export type Schema = Readonly<Record<string, MessageSchema>>;
