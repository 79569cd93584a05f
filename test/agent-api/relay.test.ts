import { describe, expect, it } from 'vitest';
import { formatRelay, parseRelay } from '../../src/agent-api/relay.ts';

const hop = (i: number, node = `worker-${i}`) => ({
  node,
  url: `https://192.168.100.${i}:25000`,
  import: '7c9e6679-7425-40de-944b-e07fc1f90ae7',
});

describe('the route in a header', () => {
  it('comes out as it went in, also with names beyond ASCII', () => {
    const route = [hop(1), hop(2, 'Zürich-über-東京-🚀')];
    const header = formatRelay(route);

    expect(header).toMatch(/^[ -~]*$/);
    expect(parseRelay(header)).toEqual(route);
    expect(parseRelay(formatRelay([]))).toEqual([]);
  });

  it('has room for sixty-four hops with addresses and names as nodes have them', () => {
    const route = Array.from({ length: 64 }, (_, i) => hop(i + 1, `ip-192-168-100-${i + 1}.ec2.internal`));

    expect(parseRelay(formatRelay(route))).toHaveLength(64);
  });

  it('is refused where it does not fit into the head of a request', () => {
    const long = Array.from({ length: 64 }, (_, i) => hop(i + 1, 'n'.repeat(200)));
    const many = Array.from({ length: 65 }, (_, i) => hop(i + 1));

    for (const route of [long, many])
      expect(() => formatRelay(route)).toThrow(expect.objectContaining({ code: 'request_invalid' }));
  });

  it('is refused where it leads to one import twice', () => {
    expect(() => parseRelay(formatRelay([hop(1), hop(2), hop(1)]))).toThrow('passes "worker-1" twice');
  });
});
