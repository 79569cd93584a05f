import { type ErrorCode, ImgctlError } from '../../errors.ts';
import type { Digest } from '../../image/digest.ts';
import type { SourcePeer } from './source-peer.ts';

/** Peers that an error lists, and those of them that its message names. */
const maxListed = 100;
const maxNamed = 3;

/** What may mend by itself first: whoever asked can try again. */
const codes: readonly (readonly [code: ErrorCode, of: readonly ErrorCode[]])[] = [
  ['node_unreachable', ['node_unreachable', 'overloaded', 'interrupted']],
  ['node_stalled', ['node_stalled']],
  // Of the peers' trust in this node: to whoever asked, this node did not refuse anything
  ['node_untrusted', ['node_untrusted', 'node_unauthorized', 'certificate_invalid']],
  ['digest_mismatch', ['digest_mismatch', 'size_mismatch']],
  ['blob_unknown', ['blob_unknown']],
];

/** Every peer was asked and none served the blob. */
export function noPeerServed(digest: Digest, sources: readonly SourcePeer[]): ImgctlError {
  const reasons = sources.flatMap(({ url, error }) => (error === undefined ? [] : [{ url, error }]));
  const all = (wanted: readonly ErrorCode[]) => reasons.every(({ error }) => wanted.includes(error.code));
  const some = (wanted: readonly ErrorCode[]) => reasons.some(({ error }) => wanted.includes(error.code));
  const code = codes.find(([code, of]) => (code === 'blob_unknown' ? all(of) : some(of)))?.[0];
  const told = reasons.slice(0, maxListed).map(({ url, error }) => `${url}: ${error.message.slice(0, 300)}`);
  const more = reasons.length > maxNamed ? `; and ${reasons.length - maxNamed} more` : '';
  return new ImgctlError(
    code ?? 'node_protocol',
    code === 'blob_unknown'
      ? `no peer has ${digest}: ${reasons.length === 1 ? '1 was' : `${reasons.length} were`} asked`
      : `no peer served ${digest}: ${told.slice(0, maxNamed).join('; ')}${more}`,
    {
      hint:
        code === 'blob_unknown'
          ? 'Send it from the archive.'
          : 'What arrived is kept: try again, from other peers, or send the blob from the archive.',
      context: { digest, phase: 'fetch', peers: told },
    },
  );
}

/** Of a peer whose bytes, and no others, did not have the digest. */
export function servedWrongBytes(digest: Digest, cause?: unknown): ImgctlError {
  return new ImgctlError('digest_mismatch', `the bytes that it served as ${digest} have another digest`, {
    hint: "Look at that node's image store: its disk may be damaged.",
    context: { digest },
    cause,
  });
}
