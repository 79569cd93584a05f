import { describe, expect, it } from 'vitest';
import { connectionError } from '../../src/agent-api/connection-errors.ts';

describe('a connection that fails', () => {
  it.each(['EMFILE', 'ENFILE'])('for a limit of this machine is not blamed on the agent: %s', (code) => {
    const thrown = Object.assign(new Error(`connect ${code} 10.0.4.17:25000`), { code });
    const error = connectionError(thrown, new URL('https://10.0.4.17:25000'));
    expect(error).toMatchObject({ code: 'node_unreachable', context: { reason: code } });
    expect(error.hint).toContain('ulimit -n');
  });
});
