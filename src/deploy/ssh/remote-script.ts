import type { Credentials } from '../systemd/credentials.ts';
import { shellQuote } from './shell-quote.ts';

/** What runs on a host: scripts for a POSIX shell. Secrets are in what they read from standard input, never in them. */

/** Found out before anything is sent; a line each, marked, as a login may print what it likes. */
export function probeScript(executable: string): string {
  return [
    'echo "imgctl:os=$(uname -s)"',
    'echo "imgctl:machine=$(uname -m)"',
    'echo "imgctl:uid=$(id -u)"',
    `echo "imgctl:sha256=$(sha256sum < ${shellQuote(executable)} 2>/dev/null | cut -c1-64)"`,
  ].join('\n');
}

export interface Probe {
  readonly os: string;
  readonly machine: string;
  readonly root: boolean;
  /** Of the executable that is installed; empty where there is none. */
  readonly sha256: string;
}

export function readProbe(stdout: string): Probe {
  const said = (name: string) => new RegExp(`^imgctl:${name}=(.*)$`, 'm').exec(stdout)?.[1]?.trim() ?? '';
  return { os: said('os'), machine: said('machine'), root: said('uid') === '0', sha256: said('sha256') };
}

/**
 * Takes the executable from standard input. What does not arrive whole is not left behind, whoever was killed: the end
 * of what is sent looks the same from there.
 */
export function receiveScript(directory: string, sha256: string): string {
  const file = shellQuote(`${directory}/imgctl`);
  return [
    'set -e; umask 077',
    `trap ${shellQuote(removeScript(directory))} EXIT; trap 'exit 130' HUP INT TERM PIPE`,
    `mkdir -p ${shellQuote(directory)}`,
    `cat > ${file}`,
    `chmod 700 ${file}`,
    `test "$(sha256sum < ${file} | cut -c1-64)" = ${sha256} || { echo 'what arrived is not what was sent' >&2; exit 1; }`,
    'trap - EXIT',
  ].join('\n');
}

/** Reads the script that follows on standard input: a shell that is told so in its arguments tells nothing else there. */
export const readScript = 'exec sh -s';

/** Writes the credentials, runs `command`, and leaves nothing behind, however it ends. For standard input. */
export function installScript(directory: string, { files }: Credentials, command: readonly string[]): string {
  const end = 'END_OF_FILE_OF_IMGCTL';
  return [
    'umask 077',
    `cleanup() { ${removeScript(directory)}; }`,
    "trap cleanup EXIT; trap 'exit 130' HUP INT TERM PIPE",
    `mkdir -p ${shellQuote(`${directory}/credentials`)} || exit 1`,
    ...files.map(
      ({ name, text }) =>
        `cat > ${shellQuote(`${directory}/credentials/${name}`)} <<'${end}' || exit 1\n${text.trimEnd()}\n${end}`,
    ),
    `${command.map(shellQuote).join(' ')} < /dev/null`,
    'exit $?',
    '',
  ].join('\n');
}

export function removeScript(directory: string): string {
  return `rm -rf -- ${shellQuote(directory)}`;
}
