import { parsePlatform } from '../image/platform.ts';
import type { PlatformChoice } from '../image/platform-choice.ts';
import { askNodes } from './ask-nodes.ts';
import type { ConnectedNode } from './connect-nodes.ts';
import type { PlatformOptions } from './options.ts';

/** A node that does not say what it runs within this is taken for one like the others. Milliseconds. */
const describeWithinMs = 10_000;

/**
 * Which platforms of an image are read: those that were asked for, else what the nodes run. All, where no node says
 * that: an index of ten platforms has thirty documents, and registries count them.
 */
export async function wantedPlatforms(
  nodes: readonly ConnectedNode[],
  { platform, allPlatforms }: PlatformOptions,
  signal: AbortSignal,
): Promise<PlatformChoice[]> {
  if (allPlatforms) return [{ kind: 'all' }];
  if (platform !== undefined)
    return platform.map((one) => ({ kind: 'named', platforms: [parsePlatform(one)] }));
  const answers = await askNodes(nodes, ({ node }, stop) => node.describe(stop), {
    signal,
    withinMs: describeWithinMs,
  });
  const run = answers.map(
    ({ node, answer }) => answer?.platforms ?? [node.cluster?.platform ?? ''].filter(Boolean),
  );
  const different = new Map(run.map((platforms) => [platforms.join(), platforms]));
  return [...different.values()]
    .filter((platforms) => platforms.length > 0)
    .map((platforms) => ({ kind: 'hosts', platforms: platforms.map(parsePlatform) }));
}
