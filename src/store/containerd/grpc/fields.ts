import { type Field, type Input, type Message, message } from './message.ts';

/** The kinds of fields that containerd's messages have. */

export function string(number: number): Field<string> {
  return {
    number,
    initial: () => '',
    write: (writer, value) => {
      if (value !== '') writer.bytes(number, Buffer.from(value));
    },
    read: (reader) => reader.bytes().toString(),
  };
}

/** Bytes; what is read is a view of the message. */
export function bytes(number: number): Field<Uint8Array> {
  return {
    number,
    initial: () => new Uint8Array(),
    write: (writer, value) => {
      if (value.byteLength > 0) writer.bytes(number, value);
    },
    read: (reader) => reader.bytes(),
  };
}

/** Bytes that lie in several pieces, so that they need not be copied to be sent. */
export function pieces(number: number): Field<readonly Uint8Array[]> {
  return {
    number,
    initial: () => [],
    write: (writer, value) => writer.pieces(number, value),
    read: (reader, previous) => appended(previous, reader.bytes()),
  };
}

/** int32, int64, uint64 and enumerations. */
export function integer(number: number): Field<number> {
  return {
    number,
    initial: () => 0,
    write: (writer, value) => {
      if (value !== 0) writer.varint(number, value);
    },
    read: (reader) => reader.varint(),
  };
}

export function boolean(number: number): Field<boolean> {
  return {
    number,
    initial: () => false,
    write: (writer, value) => {
      if (value) writer.varint(number, 1);
    },
    read: (reader) => reader.varint() !== 0,
  };
}

/** A message within a message; undefined where it is absent, which proto3 tells from an empty one. */
export function nested<T>(number: number, type: Message<T>): Field<T | undefined, Input<T> | undefined> {
  return {
    number,
    initial: () => undefined,
    write: (writer, value) => {
      if (value !== undefined) writer.bytes(number, whole(type.encode(value)));
    },
    read: (reader) => type.decode(reader.bytes()),
  };
}

export function repeated<T>(number: number, type: Message<T>): Field<readonly T[], readonly Input<T>[]> {
  return {
    number,
    initial: () => [],
    write: (writer, value) => {
      for (const item of value) writer.bytes(number, whole(type.encode(item)));
    },
    read: (reader, previous) => appended(previous, type.decode(reader.bytes())),
  };
}

export function strings(number: number): Field<readonly string[]> {
  return {
    number,
    initial: () => [],
    write: (writer, value) => {
      for (const item of value) writer.bytes(number, Buffer.from(item));
    },
    read: (reader, previous) => appended(previous, reader.bytes().toString()),
  };
}

/** `map<string, string>`: on the wire a repeated message of key and value. */
export function stringMap(number: number): Field<Readonly<Record<string, string>>> {
  return {
    number,
    initial: () => ({}),
    write: (writer, value) => {
      for (const [key, item] of Object.entries(value))
        if (item !== undefined) writer.bytes(number, whole(MapEntry.encode({ key, value: item })));
    },
    read: (reader, previous) => {
      const { key, value } = MapEntry.decode(reader.bytes());
      return Object.assign(previous, { [key]: value });
    },
  };
}

const MapEntry = message({ key: string(1), value: string(2) });

/** In place: a list of thousands would be copied thousands of times. It is `initial`'s own, nobody else has it yet. */
function appended<T>(list: readonly T[], item: T): readonly T[] {
  (list as T[]).push(item);
  return list;
}

function whole(pieces: readonly Uint8Array[]): Uint8Array {
  const [first] = pieces;
  return first !== undefined && pieces.length === 1 ? first : Buffer.concat(pieces);
}
