import { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import { printable } from '../../errors.ts';

/** The client as the log names it: its address, whose certificate it showed (mutual TLS), what it calls itself. */
export function whoIs({ raw, headers }: FastifyRequest): string {
  const { socket } = raw;
  return [socket.remoteAddress ?? 'unknown', subjectOf(socket), headers['user-agent'] ?? '']
    .map((part) => printable(part).slice(0, 80))
    .filter((part) => part !== '')
    .join(' ');
}

/** Only of one that was verified. */
function subjectOf(socket: unknown): string {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return '';
  const subject = socket.getPeerX509Certificate()?.subject ?? '';
  return subject.replaceAll('\n', ',');
}
