import { spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const checkout = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

/**
 * Boots a real systemd in namespaces of its own, on a copy of this machine's files that is thrown away (an overlay on
 * memory), and runs a script under it. `dir` is seen there at the same path, and is the only thing that lasts.
 * Answers what the script printed; undefined where this machine lets nobody do that.
 */
export async function runUnderSystemd(dir: string, script: string): Promise<string | undefined> {
  const [run, boot, output] = [join(dir, 'run.sh'), join(dir, 'boot.sh'), join(dir, 'output')];
  await mkdir(join(dir, 'overlay'));
  await writeFile(output, '');
  await writeFile(run, script);
  await writeFile(boot, bootScript(dir));
  const child = spawn('unshare', [...'-m -p -C -u -i -n --fork --kill-child sh'.split(' '), boot], {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), 90_000);
  await new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
  clearTimeout(timer);
  return (await readFile(output, 'utf8')) || undefined;
}

function bootScript(dir: string): string {
  const root = `${dir}/overlay`;
  return `set -e
mount --make-rprivate /
mount -t tmpfs tmpfs ${root}
mkdir ${root}/upper ${root}/work ${root}/root
mount -t overlay overlay -o lowerdir=/,upperdir=${root}/upper,workdir=${root}/work ${root}/root
cd ${root}/root
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir -p .${dir} .${checkout}
mount --bind ${dir} .${dir}
mount --bind ${checkout} .${checkout}
pivot_root . mnt
cd /
umount -l /mnt
cat > /etc/systemd/system/imgctl-test.service <<'END'
[Unit]
After=basic.target
[Service]
Type=oneshot
ExecStart=/bin/sh ${dir}/run.sh
ExecStopPost=/bin/systemctl exit
StandardOutput=file:${dir}/output
StandardError=inherit
TimeoutStartSec=60
END
printf '[Unit]\\nRequires=basic.target imgctl-test.service\\nAllowIsolate=yes\\n' > /etc/systemd/system/imgctl-test.target
export container=docker
exec /lib/systemd/systemd --unit=imgctl-test.target
`;
}
