import { describe, expect, it } from 'vitest';
import { pullPolicyAdvice } from '../../src/cli/pull-policy-advice.ts';

const ready = (...names: string[]) => names.map((name) => ({ name, state: 'ready' as const }));
const digest = `sha256:${'a'.repeat(64)}`;

describe('advice on the pull policy', () => {
  it('is one sentence that names every image with the tag latest, and what to write', () => {
    const advice = pullPolicyAdvice(
      ready('docker.io/library/nginx:latest', 'docker.io/library/nginx:1.27', 'ghcr.io/team/app:latest'),
    );
    expect(advice).toHaveLength(1);
    expect(advice[0]).toContain('nginx:latest, ghcr.io/team/app:latest');
    expect(advice[0]).not.toContain('1.27');
    expect(advice[0]).toContain('imagePullPolicy: IfNotPresent');
  });

  it('names an image once, however many nodes have it', () => {
    expect(
      pullPolicyAdvice(ready('a.io/b:latest', 'a.io/b:latest'))[0]?.match(/a\.io\/b:latest/g),
    ).toHaveLength(1);
  });

  it('counts those beyond five', () => {
    expect(pullPolicyAdvice(ready(...'abcdefg'.split('').map((x) => `a.io/${x}:latest`)))[0]).toContain(
      'and 2 more',
    );
  });

  it('is not given for other tags, digests, and images that did not arrive', () => {
    expect(pullPolicyAdvice(ready('a.io/b:1', `a.io/b@${digest}`, digest))).toEqual([]);
    expect(pullPolicyAdvice([{ name: 'a.io/b:latest', state: 'failed' }])).toEqual([]);
  });
});
