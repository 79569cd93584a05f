import { isLoopback, parseListen } from '../agent/listen.ts';
import { ImgctlError } from '../errors.ts';

interface Told {
  readonly listen?: string | undefined;
  readonly port?: number | undefined;
  readonly mutualTls: boolean;
  readonly probePort: number;
}

/** What Kubernetes puts in its place on each node. */
const hostIp = '$(HOST_IP)';

/**
 * Where the agents of a DaemonSet listen, with the port written out: probes need it as a number.
 * @throws ImgctlError `usage` for what no agent could listen on, or where the kubelet's probes would not reach it
 */
export function manifestListen(
  { listen = `[${hostIp}]`, port, mutualTls, probePort }: Told,
  usualPort: number,
): { readonly listen: string; readonly port: number } {
  // Any address stands for the one that is not known yet
  const { host } = parseListen(listen.replace(hostIp, '192.0.2.1').replaceAll('$', ' '));
  const said = /:(\d{1,5})$/.exec(listen)?.[1];
  const chosen = said === undefined ? (port ?? usualPort) : Number(said);
  if (port !== undefined && chosen !== port)
    throw new ImgctlError('usage', `--listen says port ${chosen}, --port ${port}`, {
      hint: 'Name one of them.',
    });
  if (chosen === 0)
    throw new ImgctlError('usage', 'port 0 is another one at every start', {
      hint: 'Name a port, for example 25000.',
    });
  if (isLoopback(host) && !mutualTls)
    throw new ImgctlError(
      'usage',
      `on ${listen} neither the kubelet's probes nor commands reach the agents`,
      {
        hint: "Without --listen agents listen on their node's address; [::] is every address.",
      },
    );
  if (mutualTls && chosen === probePort)
    throw new ImgctlError('usage', `agents and probes cannot both have port ${chosen}`, {
      hint: 'Name another one with --probe-port.',
    });
  return { listen: said === undefined ? `${listen}:${chosen}` : listen, port: chosen };
}
