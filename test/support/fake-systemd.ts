import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../bin/imgctl.js', import.meta.url));

/** A `systemctl` that writes down what it is told, and really starts and stops what the unit below `root` says. */
export interface FakeSystemd {
  /** To be first on the PATH. */
  readonly directory: string;
  commands(): Promise<string[]>;
  /** Ends the service, however the test went. */
  stop(): Promise<void>;
}

export async function fakeSystemd(directory: string, root: string): Promise<FakeSystemd> {
  await mkdir(directory, { recursive: true });
  const [log, pid] = [join(directory, 'commands'), join(directory, 'pid')];
  await writeFile(log, '');
  await script(
    join(directory, 'systemctl'),
    `
echo "$*" >> '${log}'
running() { [ -f '${pid}' ] && kill -0 "$(cat '${pid}')" 2>/dev/null; }
start() {
  command=$(sed -n 's/^ExecStart=//p' '${root}/etc/systemd/system/imgctl-agent.service')
  setsid sh -c "exec $command" > '${directory}/agent.log' 2>&1 < /dev/null &
  echo $! > '${pid}'
}
stop() { if running; then kill -9 "$(cat '${pid}')"; while running; do sleep 0.05; done; fi; }
case "$1" in
  is-active) running ;;
  enable) running || start ;;
  restart) stop; start ;;
  disable) stop ;;
esac`,
  );
  await script(join(directory, 'journalctl'), `tail -n 5 '${directory}/agent.log'`);
  return {
    directory,
    commands: async () => (await readFile(log, 'utf8')).trim().split('\n'),
    stop: async () => {
      const running = Number(await readFile(pid, 'utf8').catch(() => ''));
      if (running === 0) return;
      try {
        process.kill(running, 'SIGKILL');
      } catch {
        return;
      }
      await sleep(100);
    },
  };
}

/** What passes for the single executable: a program that runs without anything else on the PATH. */
export async function fakeExecutable(path: string, mark = ''): Promise<string> {
  await script(path, `# ${mark}\nexec '${process.execPath}' '${bin}' "$@"`);
  return path;
}

export async function script(path: string, text: string): Promise<void> {
  await rm(path, { force: true });
  await writeFile(path, `#!/bin/sh\n${text}\n`);
  await chmod(path, 0o755);
}
