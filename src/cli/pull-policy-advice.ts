import type { ImageStatus } from '../agent-api/schemas.ts';
import { familiarReference, isReference, parseReference } from '../image/reference.ts';

/** More names than this are counted. */
const maxNames = 5;

/**
 * Images that pods would still try to pull although every node has them: for the tag `latest` the kubelet's policy is
 * Always unless the pod says otherwise, and Always asks the registry. One sentence, or none.
 */
export function pullPolicyAdvice(images: readonly Pick<ImageStatus, 'name' | 'state'>[]): string[] {
  const names = images
    .filter(({ name, state }) => state === 'ready' && isReference(name))
    .map(({ name }) => name);
  const latest = [...new Set(names)]
    .map((name) => parseReference(name))
    .filter(({ tag, digest }) => tag === 'latest' && digest === undefined)
    .map((reference) => `${familiarReference({ ...reference, tag: undefined })}:latest`);
  if (latest.length === 0) return [];
  const more = latest.length > maxNames ? ` and ${latest.length - maxNames} more` : '';
  return [
    `pods will still try to pull ${latest.slice(0, maxNames).join(', ')}${more} from a registry, because of the tag latest: ` +
      'write imagePullPolicy: IfNotPresent in the pod, or use another tag.',
  ];
}
