import { printable } from '../errors.ts';

/** Everything that a peer says as parsed JSON, fit for a terminal: see `printable`. */
export function printableJson(json: unknown): unknown {
  if (typeof json === 'string') return printable(json);
  if (Array.isArray(json)) return json.map(printableJson);
  if (typeof json !== 'object' || json === null) return json;
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => [printable(key), printableJson(value)]),
  );
}
