import { WireReader, WireWriter } from './wire.ts';

/**
 * Protocol buffer messages, declared as plain values: `message({ digest: string(1), size: integer(2) })`.
 * A declaration is both the codec and the type (`MessageOf<typeof Info>`), in a dozen lines a service, so that neither
 * .proto files nor generated code need shipping. Semantics are those of proto3: a field at its default is not sent,
 * unknown fields are skipped.
 */
export interface Message<T> {
  /** In one or more pieces. */
  encode(value: Input<T>): readonly Uint8Array[];
  decode(bytes: Buffer): T;
}

/** What is sent: every field, at every depth, may be left at its default. */
export type Input<T> = T extends string | number | boolean | undefined | Uint8Array
  ? T
  : T extends readonly (infer U)[]
    ? readonly Input<U>[]
    : { readonly [K in keyof T]?: Input<T[K]> | undefined };

export type MessageOf<M> = M extends Message<infer T> ? T : never;

/** One field: how it is written, and how a value read from the wire is joined with what was read before. */
export interface Field<T, Sent = Input<T>> {
  readonly number: number;
  readonly initial: () => T;
  write(writer: WireWriter, value: Sent): void;
  read(reader: WireReader, previous: T): T;
}

type Fields = Readonly<Record<string, Field<unknown, never>>>;
type ValueOf<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends { readonly initial: () => infer T } ? T : never;
};

export function message<const F extends Fields>(fields: F): Message<ValueOf<F>> {
  const entries = Object.entries(fields) as unknown as [string, Field<unknown, unknown>][];
  const byNumber = new Map(entries.map(([name, field]) => [field.number, { name, field }]));
  return {
    encode(value) {
      const writer = new WireWriter();
      const given = value as Readonly<Record<string, unknown>>;
      for (const [name, field] of entries) if (given[name] !== undefined) field.write(writer, given[name]);
      return writer.finish();
    },
    decode(bytes) {
      const value: Record<string, unknown> = {};
      for (const [name, field] of entries) value[name] = field.initial();
      const reader = new WireReader(bytes);
      while (!reader.done) {
        const tag = reader.varint();
        const found = byNumber.get(Math.floor(tag / 8));
        if (found === undefined) reader.skip(tag % 8);
        else value[found.name] = found.field.read(reader, value[found.name]);
      }
      return value as ValueOf<F>;
    },
  };
}

/** google.protobuf.Empty. */
export const Empty = message({});
