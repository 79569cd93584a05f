import type { ImgctlError } from '../errors.ts';
import { type ImportEvent, importEventSchema, isTerminal } from './events.ts';
import { printableJson } from './printable-json.ts';
import { maxEventLineBytes, maxJsonBytes } from './routes.ts';

/**
 * Events from NDJSON as it arrives, the terminal one last. Kinds that this version does not know are passed over.
 * @throws what `protocolError` makes: a line that is no event or too long, an end without a terminal event
 */
export async function* readEvents(
  chunks: AsyncIterable<Uint8Array>,
  protocolError: (message: string) => ImgctlError,
): AsyncGenerator<ImportEvent> {
  for await (const line of readLines(chunks, protocolError)) {
    const event = parseEvent(line, protocolError);
    if (event === undefined) continue;
    yield event;
    if (isTerminal(event)) return;
  }
  throw protocolError('the stream of events ended before the import did');
}

async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  protocolError: (message: string) => ImgctlError,
): AsyncGenerator<string> {
  let held: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      const line = Buffer.concat([...held, rest.subarray(0, end)]).toString('utf8');
      [held, length] = [[], 0];
      rest = rest.subarray(end + 1);
      if (line.trim() !== '') yield line;
    }
    if (rest.byteLength === 0) continue;
    held.push(rest);
    length += rest.byteLength;
    if (length > limitOf(held[0])) throw protocolError(`an event is longer than ${maxEventLineBytes} bytes`);
  }
  // A last line without its end was cut: the missing terminal event tells
}

/** The terminal event lists every image, so it may be as long as any other answer. */
function limitOf(start: Buffer | undefined): number {
  return start?.toString('latin1', 0, 14) === '{"type":"done"' ? maxJsonBytes : maxEventLineBytes;
}

function parseEvent(line: string, protocolError: (message: string) => ImgctlError): ImportEvent | undefined {
  let json: unknown;
  try {
    json = printableJson(JSON.parse(line));
  } catch {
    throw protocolError('a line of the stream of events is not JSON');
  }
  const result = importEventSchema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  if (issue?.code === 'invalid_union' && issue.path.at(-1) === 'type') return undefined;
  throw protocolError(`an event is not valid: ${issue?.path.join('.')}: ${issue?.message ?? ''}`);
}
