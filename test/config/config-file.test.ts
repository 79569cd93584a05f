import { describe, expect, it } from 'vitest';
import { understandConfig } from '../../src/config/config.ts';
import { parseConfigDocument } from '../../src/config/config-document.ts';
import type { ConfigRules } from '../../src/config/config-problems.ts';
import { ImgctlError } from '../../src/errors.ts';

const rules: ConfigRules = {
  checkNodes: (list) => {
    if (list.includes('!')) throw new ImgctlError('usage', 'not a node: "!"', { hint: 'Write host:port.' });
  },
  defaultNames: ['retries', 'stallTimeout', 'pin'],
  checkDefault: (_, value) => {
    if (value === 'never')
      throw new ImgctlError('usage', 'not a number: "never"', { hint: 'Write a number.' });
  },
};

const read = (text: string) =>
  understandConfig(parseConfigDocument(text, '/home/me/config.yaml'), rules, { HOME: '/home/me' });

function refusal(text: string): { message: string; hint: string; key: unknown } {
  try {
    read(text);
  } catch (thrown) {
    if (thrown instanceof ImgctlError && thrown.code === 'config_invalid') {
      expect(thrown.context.path).toBe('/home/me/config.yaml');
      return { message: thrown.message, hint: thrown.hint ?? '', key: thrown.context.key };
    }
    throw thrown;
  }
  throw new Error(`understood: ${text}`);
}

describe('a configuration file', () => {
  it('names clusters, how their nodes are found, and how they are spoken to', () => {
    const { currentContext, contexts } = read(`
currentContext: edge
contexts:
  edge:
    nodes: [cp=10.0.4.16, "w1=[fd00::17]:1"]
    exclude: w1
    caFile: ca.crt
    tokenFile: ~/token
    certFile: /etc/imgctl/agent.crt
    keyFile: ../agent.key
    agentPort: 25001
    driver: imgctl
    defaults:
      retries: 5
      pin: true
  lab:
    discover: kubernetes
    selector: disk=ssd,!gpu
    kubeContext: lab-admin
`);
    const edge = contexts.get('edge');
    expect(currentContext).toBe('edge');
    expect(edge?.settings).toEqual({
      nodes: 'cp=10.0.4.16,w1=[fd00::17]:1',
      exclude: ['w1'],
      caFile: '/home/me/ca.crt',
      tokenFile: '/home/me/token',
      certFile: '/etc/imgctl/agent.crt',
      keyFile: '/home/agent.key',
      agentPort: 25001,
      driver: 'imgctl',
    });
    expect(edge?.defaults).toEqual({ retries: 5, pin: true });
    expect(edge?.origin('agentPort')).toEqual({ kind: 'file', path: '/home/me/config.yaml', line: 11 });
    expect(edge?.origin('defaults.pin')).toMatchObject({ line: 15 });
    expect(contexts.get('lab')?.settings).toEqual({
      discover: 'kubernetes',
      selector: 'disk=ssd,!gpu',
      kubeContext: 'lab-admin',
    });
  });

  it.each(['', '# nothing yet\n', 'contexts:\n', 'contexts: {}\n', 'currentContext:\n', '---\n'])(
    'may say nothing: %j',
    (text) => {
      expect(read(text).contexts.size).toBe(0);
    },
  );

  it('may have contexts that say nothing, and aliases', () => {
    const { contexts } = read('contexts:\n  a: &a\n    agentPort: 1\n  b: *a\n  c:\n');
    expect(contexts.get('b')?.settings.agentPort).toBe(1);
    expect(contexts.get('b')?.origin('agentPort')).toMatchObject({ line: 3 });
    expect(contexts.get('c')?.settings).toEqual({});
  });

  const edge = (lines: string) => `contexts:\n  edge:\n${lines.replaceAll(/^/gm, '    ')}\n`;

  it.each<[text: string, place: string, what: RegExp, hint: RegExp]>([
    ['contexts: {', '1:12', /flow map/i, /not YAML/],
    ['contexts:\n\tedge: 1', '2:1', /tabs/i, /spaces/],
    ['currentContext: a\ncurrentContext: b', '2:1', /"currentContext" is there twice/, /Remove one/],
    [edge('driver: auto\ndriver: auto'), '4:5', /"driver" is there twice/, /Remove one/],
    ['a: 1\n---\nb: 1', '2:1', /second document/, /one document/],
    ['a: !!js/function x', '1:4', /tag/, /./],
    [`x: ${'['.repeat(100_000)}`, '1:', /too deeply/, /./],
    ['hello', '1:1', /cannot be "hello"/, /currentContext and contexts/],
    ['curentContext: a', '1:1', /no such setting/, /Did you mean currentContext\?/],
    [
      edge('nodez: a'),
      '3:5',
      /edge.nodez: there is no such/,
      /Did you mean nodes\? There are: nodes, discover/,
    ],
    [edge('<<: a'), '3:5', /no such setting/, /There are/],
    [edge('agentPort: "25000"'), '3:16', /agentPort: cannot be "25000"/, /number from 1 to 65535/],
    [edge('agentPort: 65536'), '3:16', /cannot be 65536/, /number from 1 to 65535/],
    [edge('agentPort: 1.5'), '3:16', /cannot be 1.5/, /whole number/],
    [edge('nodes:'), '3:5', /nodes: cannot be empty/, /a list of nodes/],
    [edge('nodes: []'), '3:12', /cannot be \[\]/, /a list of nodes/],
    [edge('nodes:\n  - a\n  - w1: 10.0.4.17'), '5:9', /nodes.1: cannot be {"w1"/, /name=host or host:port/],
    [edge('nodes: [a, "!"]'), '3:12', /not a node: "!"/, /host:port/],
    [edge('caFile: 12'), '3:13', /caFile: cannot be 12/, /path of the authority/],
    [edge('discover: kubernets'), '3:15', /cannot be "kubernets"/, /kubernetes, dns:NAME or local/],
    [edge('discover: "dns:"'), '3:15', /cannot be "dns:"/, /dns:NAME/],
    [edge('driver: magic'), '3:13', /cannot be "magic"/, /auto, imgctl, microk8s/],
    [edge('nodes: a\ndiscover: local'), '4:15', /named already/, /Keep one/],
    [edge('discover: local\nselector: a=b'), '4:15', /for Kubernetes only/, /discover: kubernetes/],
    [edge('certFile: a'), '3:15', /keyFile is missing/, /go together/],
    [edge('defaults: 1'), '3:15', /cannot be 1/, /options of images import/],
    [edge('defaults:\n  retris: 1'), '4:7', /no such option/, /Did you mean retries\?/],
    [edge('defaults:\n  retries: never'), '4:16', /not a number: "never"/, /Write a number/],
    [edge('defaults:\n  retries: {a: 1}'), '4:', /cannot be {"a":1}/, /text, a number/],
    ['contexts: [a]', '1:11', /cannot be \["a"\]/, /by their names/],
    ['contexts:\n  a: text', '2:6', /contexts.a: cannot be "text"/, /settings of the context/],
    ['contexts:\n  "a b": {}', '2:3', /not the name of a context/, /letters, digits/],
    ['contexts:\n  "a\\e[2J": {}', '2:3', /not the name of a context/, /letters, digits/],
    ['currentContext: egde\ncontexts:\n  edge: {}', '1:17', /no context "egde"/, /Did you mean edge\?/],
    ['currentContext: edge', '1:17', /no context "edge"/, /There are no contexts/],
  ])('is refused with its line, what is wrong and what is allowed: %j', (text, place, what, hint) => {
    const { message, hint: told } = refusal(text);
    expect(message).toContain(`/home/me/config.yaml:${place}`);
    expect(message).toMatch(what);
    expect(told).toMatch(hint);
  });

  it('names the key for programs too', () => {
    expect(refusal(edge('agentPort: x')).key).toBe('contexts.edge.agentPort');
  });

  it('tells of the first problem from the top', () => {
    expect(refusal(edge('nodez: a\nagentPort: x')).message).toContain(':3:5');
    expect(refusal(edge('agentPort: x\nnodez: a')).message).toContain(':3:16');
  });

  it('cannot grow by its aliases', () => {
    const bomb = [...'bcdefgh'].map((name, i) => {
      const before = `*${'abcdefgh'[i]}`;
      return `${name}: &${name} [${Array(9).fill(before).join(', ')}]`;
    });
    expect(refusal(['a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]', ...bomb].join('\n')).message).toMatch(/aliases/);
  });

  it('takes no time that grows with the square of its keys', () => {
    const many = Array.from({ length: 50_000 }, (_, i) => `key${i}:`).join('\n');
    const begun = performance.now();
    expect(refusal(many).message).toMatch(/:1:1: key0: there is no such setting/);
    expect(performance.now() - begun).toBeLessThan(10_000);
  });
});
