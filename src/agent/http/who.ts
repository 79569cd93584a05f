import type { FastifyRequest } from 'fastify';
import { printable } from '../../errors.ts';

/** The client as the log names it: its address and what it calls itself. */
export function whoIs({ raw, headers }: FastifyRequest): string {
  const program = printable(headers['user-agent'] ?? '').slice(0, 80);
  return `${raw.socket.remoteAddress ?? 'unknown'}${program === '' ? '' : ` ${program}`}`;
}
