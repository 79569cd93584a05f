import { describe, expect, it } from 'vitest';
import { ImgctlError } from '../../src/errors.ts';
import { createJsonReporter } from '../../src/output/json.ts';
import { createPlainReporter } from '../../src/output/plain.ts';
import { createQuietReporter } from '../../src/output/quiet.ts';
import type { ListedNode } from '../../src/output/reporter.ts';
import { createTtyReporter } from '../../src/output/tty.ts';
import { Captured } from './captured.ts';

const store = {
  kind: 'containerd',
  version: '2.1.3',
  snapshotter: 'overlayfs',
  namespace: 'k8s.io',
  cri: true,
};
const nodes: readonly ListedNode[] = [
  {
    ...{ node: 'cp1', address: '10.0.4.17:25000', ready: true, cordoned: false, platform: 'linux/amd64' },
    ...{ runtime: 'containerd://2.1.3', agent: '0.4.0', store, freeBytes: 83_000_000_000 },
    ...{ trust: 'mutual tls', certificateEnds: '2027-03-01T12:00:00Z', roundTripMs: 0.42 },
  },
  {
    ...{ node: 'w1', address: '10.0.4.18:25000', agent: '0.4.0', freeBytes: 1_000_000, trust: 'plain' },
    ...{ platform: 'linux/arm64', store: { kind: 'oci', version: '1.0.0', namespace: 'k8s.io', cri: false } },
    roundTripMs: 12.3,
  },
  {
    ...{ node: 'w2', address: '10.0.4.19:25000', ready: false, cordoned: true, platform: 'linux/amd64' },
    runtime: 'cri-o://1.30.4',
    error: new ImgctlError('runtime_unsupported', 'it runs CRI-O 1.30.4', { hint: 'Leave it out.' }),
  },
];

describe('the nodes of a cluster', () => {
  it('are a row each in a file, with what is wrong below', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    createPlainReporter({ stdout, stderr }).nodes(nodes);
    expect(stdout.lines).toEqual([
      'NODE  ADDRESS          READY         PLATFORM     RUNTIME           AGENT  STORE             FREE       TRUST                     RTT',
      'cp1   10.0.4.17:25000  yes           linux/amd64  containerd 2.1.3  0.4.0  overlayfs/k8s.io  77.3 GiB   mutual tls to 2027-03-01  0.4 ms',
      'w1    10.0.4.18:25000  -             linux/arm64  oci 1.0.0         0.4.0  k8s.io            976.6 KiB  plain                     12 ms',
      'w2    10.0.4.19:25000  no, cordoned  linux/amd64  cri-o 1.30.4      -      -                 -          -                         -',
    ]);
    expect(stderr.lines).toEqual([
      '  w2: runtime_unsupported: it runs CRI-O 1.30.4',
      '  Hint: Leave it out.',
    ]);
  });

  it('take two lines each on a narrow terminal, and none is too long', () => {
    const [stdout, stderr] = [
      new Captured({ columns: 80, rows: 30 }),
      new Captured({ columns: 80, rows: 30 }),
    ];
    createTtyReporter({ stdout, stderr, color: false, resultColor: false }).nodes(nodes);
    expect(stdout.lines).toEqual([
      'NODE  ADDRESS          READY         FREE       TRUST                     RTT',
      'cp1   10.0.4.17:25000  yes           77.3 GiB   mutual tls to 2027-03-01  0.4 ms',
      '  linux/amd64, containerd 2.1.3, agent 0.4.0, overlayfs/k8s.io',
      'w1    10.0.4.18:25000  -             976.6 KiB  plain                     12 ms',
      '  linux/arm64, oci 1.0.0, agent 0.4.0, k8s.io',
      'w2    10.0.4.19:25000  no, cordoned  -          -                         -',
      '  linux/amd64, cri-o 1.30.4, no agent',
    ]);
  });

  it('are a table on a wide terminal', () => {
    const [stdout, stderr] = [
      new Captured({ columns: 200, rows: 30 }),
      new Captured({ columns: 200, rows: 30 }),
    ];
    createTtyReporter({ stdout, stderr, color: false, resultColor: false }).nodes(nodes);
    expect(stdout.lines[0]).toMatch(/^┌.*┐$/);
    expect(stdout.lines).toHaveLength(7);
    expect(Math.max(...stdout.lines.map((line) => line.length))).toBeLessThanOrEqual(200);
  });

  it('are names alone where quiet is asked for', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    createQuietReporter({ stdout, stderr }).nodes(nodes);
    expect(stdout.text).toBe('cp1\nw1\nw2\n');
    expect(stderr.lines[0]).toBe('Error [runtime_unsupported]: it runs CRI-O 1.30.4');
  });

  it('are plain facts in JSON', () => {
    const [stdout, stderr] = [new Captured(), new Captured()];
    createJsonReporter({ stdout, stderr }).nodes(nodes);
    const [first, , third] = nodes;
    expect(JSON.parse(stdout.text)).toMatchObject({
      ok: false,
      nodes: [
        first,
        { node: 'w1' },
        { ...third, error: { code: 'runtime_unsupported', hint: 'Leave it out.' } },
      ],
    });
  });
});
