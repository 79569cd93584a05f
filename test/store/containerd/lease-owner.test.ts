import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  formatProcess,
  parseProcess,
  stateOf,
  thisProcess,
} from '../../../src/store/containerd/lease-owner.ts';

describe('the owner of a lease', () => {
  const self = thisProcess();

  it('is this process when everything is the same', () => {
    expect(parseProcess(formatProcess(self))).toEqual(self);
    expect(stateOf(self)).toBe('self');
  });

  it('lives while its process does, and is dead afterwards', async () => {
    const child = spawn('sleep', ['60']);
    await once(child, 'spawn');
    const stat = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    const other = { ...self, pid: child.pid ?? 0, startedAt: stat[19] ?? '' };
    expect(stateOf(other)).toBe('alive');
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(stateOf(other)).toBe('dead');
  });

  it.each([
    ['another start time: its id was given anew', { startedAt: '1' }, 'dead'],
    ['another boot', { boot: 'ac5c6a2e-0000-4000-8000-000000000000' }, 'dead'],
    ['a pid namespace that cannot be seen', { pidNamespace: '1', startedAt: '1' }, 'unknown'],
  ] as const)('with %s', (_, difference, state) => {
    expect(stateOf({ ...self, ...difference })).toBe(state);
  });

  it.each([undefined, '', 'a/b', 'a/b//d'])('is nobody when the label is %j', (label) => {
    expect(parseProcess(label)).toBeUndefined();
  });
});
