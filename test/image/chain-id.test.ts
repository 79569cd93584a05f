import { expect, it } from 'vitest';
import { chainIds } from '../../src/image/chain-id.ts';
import { type Digest, digestOf, parseDigest } from '../../src/image/digest.ts';

it('has no chain IDs for an image without layers', () => {
  expect(chainIds([])).toEqual([]);
});

it('takes the bottom diff ID as it is', () => {
  const bottom = digestOf('bottom');
  expect(chainIds([bottom])).toEqual([bottom]);
});

it('is of the chain ID below and the diff ID, with a space between', () => {
  const [a, b, c] = ['a', 'b', 'c'].map((text) => digestOf(text)) as [Digest, Digest, Digest];
  const ab = digestOf(`${a} ${b}`);
  expect(chainIds([a, b, c])).toEqual([a, ab, digestOf(`${ab} ${c}`)]);
});

it('is what opencontainers/image-spec computes for the layers of a real image', () => {
  const diffIds = [
    'sha256:bad4c2b21ac784690edb9fab9336c06f429523122db8258386b0816ea9ccff13',
    'sha256:541172e54f7a947125460b76b5788026aa93b9cfb6a9ee132159bd792fc5a213',
    'sha256:a0daea3da3a891e0907836e15387b107376b938918839afd555a93f56a04a437',
    'sha256:c21bfa4fc8f93fcf8cee7f410285c9b0830c39e581d122668f1bfac657d01539',
    'sha256:2f02d7c1705eec01163defce0c73bad60ef4696b9fd2e009bf64f15425e3cb9b',
    'sha256:56b9282b4ec2b115a530fb08958abc2dee400cebc1befbdc3d2a70ee8a7afc97',
  ].map(parseDigest);
  expect(chainIds(diffIds).at(-1)).toBe(
    'sha256:b2defa2545685fad9251740b472ecc07e0334f652a973ec0f37bf55ba9917b70',
  );
});
