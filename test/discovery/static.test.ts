import { describe, expect, it } from 'vitest';
import { localDiscovery, parseNodeList, staticDiscovery } from '../../src/discovery/static.ts';
import { ImgctlError } from '../../src/errors.ts';

const parse = (list: string) => parseNodeList(list, { defaultPort: 25000 });
const read = (list: string) => parse(list).map(({ name, address, url }) => [name, address, url.href]);

describe('a list of nodes', () => {
  it.each([
    ['10.0.4.17', '10.0.4.17', '10.0.4.17:25000', 'https://10.0.4.17:25000/'],
    ['10.0.4.17:8080', '10.0.4.17:8080', '10.0.4.17:8080', 'https://10.0.4.17:8080/'],
    ['http://10.0.4.17', '10.0.4.17', '10.0.4.17:25000', 'http://10.0.4.17:25000/'],
    ['HTTP://Node-1.Example:80/', 'node-1.example:80', 'node-1.example:80', 'http://node-1.example/'],
    ['w1=node-1', 'w1', 'node-1:25000', 'https://node-1:25000/'],
    ['w1=http://node-1:1', 'w1', 'node-1:1', 'http://node-1:1/'],
    ['[fd00::17]', '[fd00::17]', '[fd00::17]:25000', 'https://[fd00::17]:25000/'],
    ['cp=[FD00:0:0::17]:65535', 'cp', '[fd00::17]:65535', 'https://[fd00::17]:65535/'],
    ['_srv.host.', '_srv.host', '_srv.host:25000', 'https://_srv.host:25000/'],
  ])('reads %s', (entry, ...expected) => {
    expect(read(entry)).toEqual([expected]);
  });

  it('is apart by commas and white space', () => {
    expect(parse(' a,b , c\nd,,').map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('counts an address once, by the name that it was given', () => {
    expect(read('a,http://a:25000,A')).toHaveLength(1);
    expect(parse('10.0.0.1,w1=10.0.0.1').map(({ name }) => name)).toEqual(['w1']);
    expect(parse('w1=10.0.0.1,10.0.0.1').map(({ name }) => name)).toEqual(['w1']);
  });

  it.each([
    ['', /empty/],
    [' , ', /empty/],
    ['ftp://a', /ftp:\/\/ is not spoken/],
    ['ftp://a', /ftp:\/\/ is not spoken/],
    ['a:0', /port "0"/],
    ['a:65536', /port "65536"/],
    ['a:', /port ""/],
    ['a:x', /port "x"/],
    ['fd00::17', /brackets/],
    ['[fd00::17', /not host or host:port/],
    ['[fe80::1%eth0]', /not an IPv6 address/],
    ['[10.0.0.1]', /not an IPv6 address/],
    ['10.0.4', /neither an address nor a host name/],
    ['256.1.1.1', /neither an address nor a host name/],
    ['0x7f.1', /neither an address nor a host name/],
    ['a_b-', /neither an address nor a host name/],
    ['http://a/path', /path/],
    ['user:secret@a', /password/],
    ['=a', /name is not one/],
    ['w1=', /no host/],
    ['http://', /no host/],
    ['w1=a,w2=a', /named twice, w1 and w2/],
    ['w1=a,w1=b', /two nodes are named w1/],
    ['\u001b[31m=a', /name is not one/],
  ])('refuses %j and says why', (list, why) => {
    const error = caught(() => parse(list));
    expect(error).toBeInstanceOf(ImgctlError);
    expect(error).toMatchObject({ code: 'usage' });
    expect((error as ImgctlError).message).toMatch(why);
    expect((error as ImgctlError).hint).toBeTruthy();
  });
});

describe('discovery', () => {
  it('finds the nodes of a list, and has nothing to remark', async () => {
    const found = await staticDiscovery('a,b', { defaultPort: 1 }).find();
    expect(found.nodes.map(({ address }) => address)).toEqual(['a:1', 'b:1']);
    expect(found.note).toBeUndefined();
  });

  it('finds the agent of this machine, and says so', async () => {
    const found = await localDiscovery({ defaultPort: 25000 }).find();
    expect(found.nodes.map(({ address }) => address)).toEqual(['127.0.0.1:25000']);
    expect(found.note).toContain('127.0.0.1:25000');
  });
});

function caught(action: () => unknown): unknown {
  try {
    return action();
  } catch (error) {
    return error;
  }
}
