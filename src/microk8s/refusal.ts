import { ImgctlError, printable } from '../errors.ts';
import type { Answer } from './exchange.ts';
import { agentDeadlineMs } from './paths.ts';

/** What an answer that is not success means. `durationMs`: since the request began. */
export function refusalOf({ status, text }: Answer, host: string, durationMs: number): ImgctlError {
  const said = errorText(text);
  const context = { status, address: host };
  if (status === 401) {
    return new ImgctlError(
      'node_unauthorized',
      `MicroK8s's agent at ${host} does not know the callback token`,
      {
        hint: 'Give the one of that cluster with --microk8s-token-file FILE: it is credentials/callback-token.txt under /var/snap/microk8s/current on its nodes.',
        context,
      },
    );
  }
  if (status === 200 || status === 404 || status === 405) {
    return new ImgctlError(
      'node_not_agent',
      `what answers at ${host} takes no images (HTTP status ${status})`,
      {
        hint: 'MicroK8s takes images since version 1.25: update it (snap refresh microk8s), or run an imgctl agent there on another port.',
        context,
      },
    );
  }
  if (said.includes('signal: killed')) {
    const surely = durationMs > agentDeadlineMs * 0.9;
    const after = `after ${Math.round(durationMs / 1000)} s of upload and import together`;
    return new ImgctlError(
      'store_failed',
      surely
        ? `MicroK8s's agent gave up at its deadline, ${after}`
        : `the import on the node was killed ${after}: its deadline is set that short, or memory ran out`,
      { hint: deadlineHint, context: { ...context, durationMs: Math.round(durationMs) } },
    );
  }
  return new ImgctlError(
    'store_failed',
    `MicroK8s's agent could not import the archive: ${said || `HTTP status ${status}`}`,
    {
      hint: 'It keeps to itself what containerd said. See whether the disk is full and containerd runs there; microk8s ctr image import FILE on the node says more.',
      context,
    },
  );
}

const deadlineHint =
  'Give it longer (--timeout in /var/snap/microk8s/current/args/cluster-agent, then snap restart microk8s.daemon-cluster-agent), import fewer images at once, or run an imgctl agent there on another port, which has no deadline.';

function errorText(text: string): string {
  let said: unknown;
  try {
    said = (JSON.parse(text) as { error?: unknown } | null)?.error;
  } catch {
    // Not its JSON
  }
  return printable(typeof said === 'string' ? said : text)
    .replace(/^failed to import the image: /i, '')
    .slice(0, 500)
    .trim();
}

export function isSuccess({ status, text }: Answer): boolean {
  return status === 200 && /"status"\s*:\s*"OK"/.test(text);
}
