import { apiVersion } from '../agent-api/schemas.ts';
import { ImgctlError } from '../errors.ts';

/** @throws ImgctlError `node_not_agent` */
export function mustSpeak(api: string): void {
  if (api === apiVersion) return;
  throw new ImgctlError(
    'node_not_agent',
    `the agent there speaks the API ${api}, this command speaks ${apiVersion}`,
    {
      hint: 'Install the same version of imgctl on this machine and on the node.',
    },
  );
}
