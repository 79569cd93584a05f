import { describe, expect, it } from 'vitest';
import type { ConfigContext } from '../../src/config/config.ts';
import { expandNames } from '../../src/config/expand-names.ts';
import { resolveSettings } from '../../src/config/resolve-settings.ts';
import type { SettingValues } from '../../src/config/settings.ts';

const context = (settings: SettingValues): ConfigContext => ({
  name: 'edge',
  settings,
  defaults: {},
  pathHere: (path) => path,
  origin: () => ({ kind: 'file', path: '/c.yaml', line: 7 }),
});

describe('a setting', () => {
  it('comes from the command line, else the environment, else the context', () => {
    const env = { IMGCTL_CA_FILE: '/env/ca', IMGCTL_TOKEN_FILE: '/env/token' };
    const edge = context({ caFile: '/c/ca', tokenFile: '/c/token', agentPort: 1 });
    const settings = resolveSettings({ caFile: 'ca' }, env, edge);
    expect(settings).toMatchObject({ caFile: 'ca', tokenFile: '/env/token', agentPort: 1, driver: 'auto' });
    expect(settings.origins).toEqual({
      caFile: { kind: 'option', name: '--ca-file' },
      tokenFile: { kind: 'environment', name: 'IMGCTL_TOKEN_FILE' },
      agentPort: { kind: 'file', path: '/c.yaml', line: 7 },
    });
  });

  it('is not said by a variable that is empty', () => {
    const { nodes, agentPort } = resolveSettings({}, { IMGCTL_NODES: ' ', IMGCTL_AGENT_PORT: '' });
    expect([nodes, agentPort]).toEqual([undefined, undefined]);
  });

  it.each([
    ['IMGCTL_AGENT_PORT', '0'],
    ['IMGCTL_AGENT_PORT', '25000x'],
    ['IMGCTL_DISCOVER', 'etcd'],
    ['IMGCTL_DRIVER', 'docker'],
  ])('is refused with the variable: %s=%s', (name, value) => {
    expect(() => resolveSettings({}, { [name]: value })).toThrow(
      expect.objectContaining({ code: 'usage', message: expect.stringMatching(`^${name}: .*"${value}"`) }),
    );
  });
});

describe('the nodes', () => {
  const chosen = (options: SettingValues, env: Record<string, string>, settings: SettingValues = {}) => {
    const { nodes, discover, discoverForced } = resolveSettings(options, env, context(settings));
    return { nodes, discover, discoverForced };
  };

  it.each<[SettingValues, Record<string, string>, SettingValues, ReturnType<typeof chosen>]>([
    [
      { nodes: 'a' },
      { IMGCTL_NODES: 'b', IMGCTL_DISCOVER: 'local' },
      { nodes: 'c' },
      { nodes: 'a', discover: undefined, discoverForced: false },
    ],
    [{}, { IMGCTL_NODES: 'b' }, { nodes: 'c' }, { nodes: 'b', discover: undefined, discoverForced: false }],
    [
      {},
      { IMGCTL_NODES: 'b', IMGCTL_DISCOVER: 'local' },
      {},
      { nodes: 'b', discover: undefined, discoverForced: false },
    ],
    [
      {},
      { IMGCTL_DISCOVER: 'local' },
      { nodes: 'c' },
      { nodes: undefined, discover: 'local', discoverForced: false },
    ],
    [{}, {}, { nodes: 'c' }, { nodes: 'c', discover: undefined, discoverForced: false }],
    [{}, {}, { discover: 'local' }, { nodes: undefined, discover: 'local', discoverForced: false }],
    // --discover alone is not narrowed by nodes that were said elsewhere
    [
      { discover: 'kubernetes' },
      { IMGCTL_NODES: 'b' },
      { nodes: 'c' },
      { nodes: undefined, discover: 'kubernetes', discoverForced: true },
    ],
    [
      { discover: 'kubernetes', nodes: 'a' },
      {},
      {},
      { nodes: 'a', discover: 'kubernetes', discoverForced: true },
    ],
    [{}, {}, {}, { nodes: undefined, discover: undefined, discoverForced: false }],
  ])('of %j, %j and the context %j are %j', (options, env, settings, expected) => {
    expect(chosen(options, env, settings)).toEqual(expected);
  });

  it('are narrowed only by what was said of them', () => {
    const edge = context({ nodes: 'a,b', exclude: ['b'] });
    expect(resolveSettings({}, {}, edge).exclude).toEqual(['b']);
    expect(resolveSettings({ nodes: 'x,y' }, {}, edge).exclude).toEqual([]);
    expect(resolveSettings({ exclude: ['a'] }, {}, edge).exclude).toEqual(['a']);
    const lab = context({ discover: 'kubernetes', selector: 'a=b', kubeconfig: '/k', exclude: ['c'] });
    const narrowed = { selector: 'a=b', kubeconfig: '/k', exclude: ['c'] };
    expect(resolveSettings({}, {}, lab)).toMatchObject(narrowed);
    expect(resolveSettings({ discover: 'kubernetes' }, {}, lab)).toMatchObject(narrowed);
    for (const options of [{ discover: 'local' }, { nodes: 'x' }]) {
      const { selector, kubeconfig, exclude } = resolveSettings(options, {}, lab);
      expect([selector, kubeconfig, exclude]).toEqual([undefined, undefined, []]);
    }
  });

  it('come from the kubeconfig that is named, in its own current context', () => {
    const lab = context({ discover: 'kubernetes', kubeconfig: '/k', kubeContext: 'lab' });
    expect(resolveSettings({}, {}, lab).kubeContext).toBe('lab');
    expect(resolveSettings({ kubeconfig: '/other' }, {}, lab).kubeContext).toBeUndefined();
    expect(resolveSettings({ kubeconfig: '/other', kubeContext: 'x' }, {}, lab).kubeContext).toBe('x');
  });

  it('may be named as the context names them', () => {
    expect(expandNames('w1, 10.0.0.9,cp=x', 'cp=10.0.4.16,w1=http://10.0.4.17:1')).toBe(
      'w1=http://10.0.4.17:1,10.0.0.9,cp=x',
    );
    expect(expandNames('w1', undefined)).toBe('w1');
  });
});
