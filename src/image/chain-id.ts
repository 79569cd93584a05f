import { type Digest, digestOf } from './digest.ts';

/** The chain IDs of layers with these diff IDs, bottom layer first (OCI image specification, "Layer ChainID"). */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(parent === undefined ? diffId : digestOf(`${parent} ${diffId}`));
  }
  return chain;
}
