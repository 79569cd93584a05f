import { ImgctlError, printable } from '../errors.ts';
import { formatListen, type ListenAddress } from './listen.ts';
import { findPortHolder, isMicrok8s, type PortHolder, programOf } from './port-holder.ts';

/** Why an address could not be listened on, and what to do: on a MicroK8s node the default port is taken. */
export async function listenError(
  address: ListenAddress,
  cause: NodeJS.ErrnoException,
): Promise<ImgctlError> {
  const where = formatListen(address);
  const context = { address: where };
  if (cause.code === 'EADDRINUSE') {
    const holder = await findPortHolder(address.port);
    const other = formatListen({ ...address, port: address.port < 65_535 ? address.port + 1 : 25_001 });
    return new ImgctlError('address_in_use', `${where} is taken${nameOf(holder)}`, {
      hint: `Listen on another port: --listen ${other}, and name it to the command: --nodes HOST:${other.split(':').at(-1)}.`,
      context: holder === undefined ? context : { ...context, pid: holder.pid },
      cause,
    });
  }
  const why =
    cause.code === 'EADDRNOTAVAIL' || cause.code === 'ENOTFOUND'
      ? 'this machine has no such address'
      : cause.code === 'EACCES'
        ? 'this user may not use that port'
        : printable(cause.message);
  return new ImgctlError('usage', `cannot listen on ${where}: ${why}`, {
    hint: 'Choose another with --listen HOST:PORT.',
    context,
    cause,
  });
}

function nameOf(holder: PortHolder | undefined): string {
  if (holder === undefined) return '';
  const who = `process ${holder.pid}, ${printable(programOf(holder))}`;
  return isMicrok8s(holder) ? ` by MicroK8s's own cluster agent (${who})` : ` by ${who}`;
}
