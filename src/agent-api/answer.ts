import type { Dispatcher } from 'undici';
import type * as z from 'zod';
import { ImgctlError } from '../errors.ts';
import { errorBodySchema, errorFromWire } from './errors.ts';
import { printableJson } from './printable-json.ts';
import { maxJsonBytes } from './routes.ts';

/** What an agent answered, read within bounds and checked; or what something that is no agent answered. */

export type Answer = Pick<Dispatcher.ResponseData, 'statusCode' | 'headers' | 'body'>;

/** Errors are short: what is longer is not one of ours. */
const maxErrorBytes = 256 * 1024;

/** @throws ImgctlError `node_protocol`, `node_not_agent`, or the agent's own error */
export async function readJsonAnswer<T>(answer: Answer, schema: z.ZodType<T>): Promise<T> {
  if (answer.statusCode < 200 || answer.statusCode > 299) throw await refuse(answer);
  const json = parse(await readBounded(answer, maxJsonBytes));
  if (json === undefined) throw notAgent(answer);
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ImgctlError(
    'node_protocol',
    `the agent's answer is not what was asked for: ${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'not valid'}`,
    { hint: 'Use the same version of imgctl on both sides.' },
  );
}

/** The error that a refusal carries. */
export async function refuse(answer: Answer): Promise<ImgctlError> {
  const bytes = await readBounded(answer, maxErrorBytes);
  const wire = errorBodySchema.safeParse(parse(bytes));
  if (!wire.success) return notAgent(answer, bytes.toString('latin1'));
  const error = errorFromWire(wire.data.error, comeAgainAfter(answer));
  if (error.code !== 'node_unauthorized') return error;
  // What to do about it is known better on this side
  const hint = error.context.reason === 'token_ended' ? replacedHint : tokenHint;
  return new ImgctlError('node_unauthorized', error.message, { hint, context: error.context });
}

const tokenHint =
  "Give the cluster's token with --token-file FILE (or IMGCTL_TOKEN_FILE): it is the file `token` that imgctl init made, else that of the agent's data directory.";
const replacedHint =
  'Give the new one with --token-file FILE (or IMGCTL_TOKEN_FILE): imgctl token rotate wrote it to the file `token`.';

/** `Retry-After` in seconds (RFC 9110, 10.2.3), in milliseconds; a date is not what agents send. */
function comeAgainAfter({ headers }: Answer): { readonly retryAfterMs?: number } {
  const header = headers['retry-after'];
  return typeof header === 'string' && /^\d{1,6}$/.test(header)
    ? { retryAfterMs: Number(header) * 1000 }
    : {};
}

async function readBounded({ body }: Answer, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (length > limit) {
      throw new ImgctlError('node_protocol', `the answer is longer than ${limit} bytes`, {
        hint: 'No agent sends such an answer: check what listens at that address.',
      });
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function parse(bytes: Buffer): unknown {
  try {
    return printableJson(JSON.parse(bytes.toString('utf8')));
  } catch {
    return undefined;
  }
}

function notAgent({ statusCode }: Answer, text = ''): ImgctlError {
  // What Go's server says to plain HTTP on a TLS port. MicroK8s's cluster agent is such a one, on the same port.
  const wantsTls = /HTTP request to an HTTPS server|plain HTTP request was sent to HTTPS port/i.test(text);
  const what = wantsTls
    ? 'what listens there speaks HTTPS, not the agent'
    : `what answers there is not an imgctl agent (HTTP status ${statusCode})`;
  return new ImgctlError('node_not_agent', what, { hint: notAgentHint, context: { status: statusCode } });
}

export const notAgentHint =
  "Check host and port. On a MicroK8s node port 25000 is its own cluster agent's: run the agent on another port (--listen HOST:25001) and name it (--nodes HOST:25001).";
