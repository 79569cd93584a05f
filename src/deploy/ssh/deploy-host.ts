import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { ImgctlError, printable } from '../../errors.ts';
import { archOfMachine } from '../executable.ts';
import type { CommandResult } from '../run-command.ts';
import type { Credentials } from '../systemd/credentials.ts';
import { type NodePaths, pathsBelow } from '../systemd/node-paths.ts';
import {
  installScript,
  type Probe,
  probeScript,
  readProbe,
  readScript,
  receiveScript,
  removeScript,
} from './remote-script.ts';
import type { SshConnection } from './ssh-connection.ts';

export interface HostDeployment {
  readonly ssh: SshConnection;
  readonly credentials: Credentials;
  /** Path and SHA-256 of the executable for an architecture. @throws ImgctlError where there is none */
  readonly executableFor: (arch: string) => Promise<{ readonly path: string; readonly sha256: string }>;
  /** Further arguments of `agent install`. */
  readonly installOptions: readonly string[];
  /** `/`, but in a test. */
  readonly root: string;
  readonly signal: AbortSignal;
  readonly onStep: (message: string) => void;
}

/** What a host answers when the agent is installed: HOST:PORT each, as it listens. */
export interface Installed {
  readonly listen: readonly string[];
}

/** Milliseconds for a login, however slow, and four short lines. */
const probeMs = 60_000;
/** Milliseconds for taking back what was sent, after an interrupt too. */
const cleanupMs = 10_000;

/**
 * Brings executable and credentials to a host and runs `agent install` there. What is sent lies in a directory that
 * only root enters, and is gone afterwards, also when it is interrupted. @throws ImgctlError `deploy_failed`, `interrupted`
 */
export async function deployToHost(deployment: HostDeployment): Promise<Installed> {
  const { ssh, root, signal } = deployment;
  const paths = pathsBelow(root);
  const probe = await probeHost(ssh, paths, signal);
  const directory = join(root, '/var/lib', `imgctl-deploy-${randomBytes(8).toString('hex')}`);
  const sudo = !probe.root;
  let clean = false;
  try {
    const executable = await placeExecutable(deployment, { probe, paths, directory });
    const command = [
      ...[executable, 'agent', 'install', '--executable', executable, '--output', 'json'],
      ...['--dir', `${directory}/credentials`],
      ...(root === '/' ? [] : ['--root', root]),
      ...deployment.installOptions,
    ];
    const input = installScript(directory, deployment.credentials, command);
    const result = await ssh.run(readScript, { input, sudo, signal });
    clean = true;
    return readInstalled(result);
  } finally {
    // The script there cleans up where it comes to its end
    if (!clean)
      await ssh
        .run(removeScript(directory), { sudo, signal: AbortSignal.timeout(cleanupMs) })
        .catch((error: unknown) => {
          // Who may not become root there has left nothing
          if (!(error instanceof ImgctlError && error.context.phase === 'sudo'))
            deployment.onStep(`${directory} may have to be removed by hand`);
        });
  }
}

async function probeHost(ssh: SshConnection, { executable }: NodePaths, signal: AbortSignal): Promise<Probe> {
  const { stdout, stderr } = await ssh.run(probeScript(executable), { signal, quietMs: probeMs });
  const probe = readProbe(stdout);
  if (probe.os === 'Linux') return probe;
  const what = probe.os === '' ? `it did not say what it is: ${printable(stderr).slice(0, 300)}` : probe.os;
  throw new ImgctlError('deploy_failed', `not a Linux host with a POSIX shell: ${what}`, {
    hint: 'Agents run on Linux nodes; the login there must give a shell.',
  });
}

/** Answers where it lies: installed already, or sent now. */
async function placeExecutable(
  { ssh, executableFor, signal, onStep }: HostDeployment,
  {
    probe,
    paths,
    directory,
  }: { readonly probe: Probe; readonly paths: NodePaths; readonly directory: string },
): Promise<string> {
  const { path, sha256 } = await executableFor(archOfMachine(probe.machine));
  if (probe.sha256 === sha256) {
    onStep('has this executable already');
    return paths.executable;
  }
  onStep('sending the executable');
  const input = createReadStream(path, { highWaterMark: 256 * 1024 });
  const { status, stderr } = await ssh.run(receiveScript(directory, sha256), {
    input,
    sudo: !probe.root,
    signal,
  });
  if (status === 0) return `${directory}/imgctl`;
  const why = printable(stderr.trim()).slice(0, 500);
  throw new ImgctlError('deploy_failed', `the executable could not be sent: ${why}`, {
    hint: /No space left/.test(stderr) ? 'Make room in /var/lib there.' : 'Run the same command again.',
    context: { phase: 'send' },
  });
}

/** The one document of `agent install --output json`, whatever a login printed before it. */
function readInstalled({ status, stdout, stderr }: CommandResult): Installed {
  const document = parseDocument(stdout);
  if (document?.ok === true && Array.isArray(document.listen))
    return { listen: document.listen.filter((address) => typeof address === 'string') };
  const { message, hint } = (document?.error ?? {}) as { message?: unknown; hint?: unknown };
  const said = typeof message === 'string' ? message : stderr.trim() || stdout.trim() || 'it said nothing';
  // It always prints a document where it runs
  const ran = document !== undefined || !(status === 126 || status === 127 || /GLIBC/.test(stderr));
  const what = ran ? 'installing there failed' : 'the executable does not run there';
  throw new ImgctlError('deploy_failed', `${what}: ${printable(said).slice(0, 1000)}`, {
    hint: ran
      ? typeof hint === 'string'
        ? printable(hint).slice(0, 500)
        : 'See the log of the host.'
      : 'It needs glibc 2.28 or newer (Alpine has musl instead) and a /var/lib that is not mounted noexec. Elsewhere the agent runs as a DaemonSet: imgctl agent manifest.',
    context: { phase: 'install' },
  });
}

/** The last one that there is: what a login prints may begin as one does. */
function parseDocument(stdout: string): Record<string, unknown> | undefined {
  for (const { index } of [...stdout.matchAll(/^\{/gm)].reverse()) {
    try {
      return JSON.parse(stdout.slice(index)) as Record<string, unknown>;
    } catch {
      // The one before
    }
  }
  return undefined;
}
