/** Why no connection came about, or it broke, by the codes of libuv and undici. */
export const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'its name does not resolve',
  EAI_AGAIN: 'its name does not resolve (the resolver does not answer)',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to its network',
  EHOSTDOWN: 'the host is down',
  ETIMEDOUT: 'it does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  ECONNRESET: 'the connection broke',
  EPIPE: 'the connection broke',
  ECONNABORTED: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
  UND_ERR_CLOSED: 'the connection was closed',
  UND_ERR_DESTROYED: 'the connection was closed',
  EADDRNOTAVAIL: 'no address of this machine can reach it',
  EMFILE: 'this command may not open more connections at once',
  ENFILE: 'this machine may not open more connections at once',
};

/** Happy eyeballs and undici wrap what happened: the innermost code is the one that means something. */
export function codeOf(thrown: unknown, depth = 0): string {
  if (!(thrown instanceof Error) || depth > 4) return '';
  const inner = thrown instanceof AggregateError ? thrown.errors[0] : thrown.cause;
  const innerCode = inner === undefined ? '' : codeOf(inner, depth + 1);
  if (innerCode !== '') return innerCode;
  if ('code' in thrown && typeof thrown.code === 'string') return thrown.code;
  // undici's parser leaves the code out where the first line already is no HTTP
  return thrown.name === 'HTTPParserError' ? 'HPE_INVALID' : '';
}
