import type { IncomingMessage } from 'node:http';
import type * as z from 'zod';
import { maxJsonBytes } from '../../agent-api/routes.ts';
import { ImgctlError } from '../../errors.ts';
import { type BodyLimits, requestBody } from './request-body.ts';

/**
 * A request's JSON body, bounded and validated, whatever content type it claims (curl -d calls it a form).
 * @throws ImgctlError `request_too_large`, `request_invalid`, `interrupted`
 */
export async function readJson<T>(
  raw: IncomingMessage,
  schema: z.ZodType<T>,
  limits: BodyLimits & { readonly maxBytes?: number },
): Promise<T> {
  const maxBytes = limits.maxBytes ?? maxJsonBytes;
  if (Number(raw.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of requestBody(raw, limits)) {
    length += chunk.byteLength;
    if (length > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  let json: unknown;
  try {
    json = JSON.parse(Buffer.concat(chunks, length).toString('utf8'));
  } catch (cause) {
    throw new ImgctlError('request_invalid', 'the body of the request is not JSON', { cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ImgctlError(
    'request_invalid',
    `the request is not valid: ${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'not valid'}`,
    { hint: 'Use the same version of imgctl on both sides.' },
  );
}

function tooLarge(maxBytes: number): ImgctlError {
  return new ImgctlError('request_too_large', `the body of the request is longer than ${maxBytes} bytes`, {
    hint: 'Declare images and documents in several requests (PATCH).',
  });
}
