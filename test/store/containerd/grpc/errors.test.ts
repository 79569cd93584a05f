import { expect, it } from 'vitest';
import { toStoreError } from '../../../../src/store/containerd/grpc/errors.ts';
import { GrpcError } from '../../../../src/store/containerd/grpc/status.ts';

/** Texts as containerd 1.6, 1.7 and 2.1 gave them. */
it.each([
  [14, 'ref imgctl-sha256:ab locked for 2.1s (since 2026-11-21): unavailable', 'blob_locked'],
  [14, 'connect ENOENT /run/containerd/containerd.sock', 'store_unreachable'],
  [14, 'connect EACCES /run/containerd/containerd.sock', 'store_unreachable'],
  [4, 'no answer within 120 s', 'store_unreachable'],
  [5, 'unable to lease content: lease does not exist: not found', 'lease_lost'],
  [5, 'lease "imgctl-1": not found', 'lease_lost'],
  [5, 'content sha256:ab: not found', 'store_failed'],
  [2, 'write /var/lib/containerd/ingest/data: no space left on device', 'store_full'],
  [2, 'failed to sync: disk quota exceeded', 'store_full'],
  [12, 'unknown service containerd.services.diff.v1.Diff', 'store_failed'],
  [13, 'something else', 'store_failed'],
])('status %i, %j, means %s', (code, details, expected) => {
  const error = toStoreError(new GrpcError(code, details), '/containerd.x.v1.X/Do', '/run/c.sock');
  expect(error).toMatchObject({ code: expected, hint: expect.any(String) });
});

it('a socket that is denied is said to be root’s', () => {
  const error = toStoreError(new GrpcError(14, 'connect EACCES /run/c.sock'), '/x.X/Do', '/run/c.sock');
  expect(error.message).toBe('permission denied on /run/c.sock');
  expect(error.hint).toContain('Run as root');
});
