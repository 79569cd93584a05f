import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findContainerdSocket, socketPath } from '../../../src/store/containerd/find-socket.ts';

let folder: string;
const stack: (() => void)[] = [];
const at = (name: string) => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'imgctl-socket-'));
});
afterEach(() => {
  for (const undo of stack.splice(0)) undo();
  rmSync(folder, { recursive: true, force: true });
});

async function listenAt(name: string): Promise<string> {
  const server = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => server.listen(at(name), resolve));
  stack.push(() => server.close());
  return at(name);
}

it('takes the first usual socket that answers', async () => {
  writeFileSync(at('a'), 'left behind');
  await listenAt('c');
  const second = await listenAt('b');
  expect(await findContainerdSocket({}, [at('a'), second, at('c')])).toBe(second);
});

it('takes the one that the environment names, and no other', async () => {
  const named = await listenAt('named');
  const usual = await listenAt('usual');
  expect(await findContainerdSocket({ CONTAINERD_ADDRESS: `unix://${named}` }, [usual])).toBe(named);
  await expect(findContainerdSocket({ CONTAINERD_ADDRESS: at('elsewhere') }, [usual])).rejects.toMatchObject({
    code: 'store_not_found',
    message: expect.stringContaining(`$CONTAINERD_ADDRESS says: ${at('elsewhere')} (not there)`),
  });
});

it('lists where it looked, and why that was nothing, and what to do', async () => {
  writeFileSync(at('file'), '');
  await expect(findContainerdSocket({}, [at('absent'), at('file')])).rejects.toMatchObject({
    code: 'store_not_found',
    message: expect.stringMatching(/absent \(not there\), .*file \(nobody listens\)/),
    hint: expect.stringContaining('--store oci:DIR'),
  });
});

it.each([
  ['/run/c.sock', '/run/c.sock'],
  ['unix:///run/c.sock', '/run/c.sock'],
  ['unix:/run/c.sock', '/run/c.sock'],
])('reads the address %s as %s', (address, path) => expect(socketPath(address)).toBe(path));
