import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** A name server on loopback, over UDP and TCP (RFC 1035, 2782, 3596): what it is told to know, and how to fail. */
export interface DnsServer extends AsyncDisposable {
  /** `address:port` */
  readonly address: string;
  /** By owner, lower case, without the last dot. A name that is not there does not exist (NXDOMAIN). */
  zone: Record<string, readonly DnsRecord[]>;
  /** Each is the fate of one question, before the zone is looked at. */
  readonly faults: ('SERVFAIL' | 'REFUSED' | 'silence')[];
  /** `SRV _imgctl._tcp.example` */
  readonly questions: string[];
}

export type DnsRecord =
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'SRV'; readonly target: string; readonly port: number };

const types: Readonly<Record<number, string>> = { 1: 'A', 28: 'AAAA', 33: 'SRV' };
const rcodes = { SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const;
const maxUdpBytes = 512;

export async function startDnsServer(zone: DnsServer['zone'] = {}): Promise<DnsServer> {
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.on('data', (message) => {
      const reply = replyTo(server, message.subarray(2));
      if (reply !== undefined) socket.write(Buffer.concat([u16(reply.length), reply]));
    });
  });
  await once(tcp.listen(0, '127.0.0.1'), 'listening');
  const { port } = tcp.address() as { port: number };
  const udp = createSocket('udp4');
  udp.on('message', (message, { port: from, address }) => {
    const reply = replyTo(server, message);
    if (reply === undefined) return;
    udp.send(reply.length > maxUdpBytes ? truncated(reply) : reply, from, address);
  });
  udp.bind(port, '127.0.0.1');
  await once(udp, 'listening');
  const server: DnsServer = {
    address: `127.0.0.1:${port}`,
    zone,
    faults: [],
    questions: [],
    async [Symbol.asyncDispose]() {
      udp.close();
      await new Promise((closed) => tcp.close(closed));
    },
  };
  return server;
}

function replyTo({ zone, faults, questions }: DnsServer, message: Buffer): Buffer | undefined {
  const { name, end } = readName(message, 12);
  const type = types[message.readUInt16BE(end)] ?? '?';
  questions.push(`${type} ${name}`);
  const fault = faults.shift();
  if (fault === 'silence') return undefined;
  const question = message.subarray(12, end + 4);
  const records = zone[name.toLowerCase()];
  const code = fault === undefined ? (records === undefined ? rcodes.NXDOMAIN : 0) : rcodes[fault];
  const answers = code === 0 ? (records ?? []).filter((record) => record.type === type).map(encode) : [];
  // A response, recursion available
  const header = [message.subarray(0, 2), u16(0x8180 | code), u16(1), u16(answers.length), u16(0), u16(0)];
  return Buffer.concat([...header, question, ...answers]);
}

/** The same without its answers, and with the bit that says so. */
function truncated(reply: Buffer): Buffer {
  const { end } = readName(reply, 12);
  const short = Buffer.from(reply.subarray(0, end + 4));
  short.writeUInt16BE(short.readUInt16BE(2) | 0x0200, 2);
  short.writeUInt16BE(0, 6);
  return short;
}

function encode(record: DnsRecord): Buffer {
  const type = Number(Object.keys(types).find((number) => types[Number(number)] === record.type));
  const data = dataOf(record);
  // 0xc00c: the name of the question
  return Buffer.concat([u16(0xc00c), u16(type), u16(1), u16(0), u16(60), u16(data.length), data]);
}

function dataOf(record: DnsRecord): Buffer {
  if (record.type === 'SRV')
    return Buffer.concat([u16(10), u16(5), u16(record.port), writeName(record.target)]);
  if (record.type === 'A') return Buffer.from(record.address.split('.').map(Number));
  const [head = '', tail = ''] = record.address.split('::');
  const groups = (text: string) => text.split(':').filter((group) => group !== '');
  const zeros = Array.from({ length: 8 - groups(head).length - groups(tail).length }, () => '0');
  return Buffer.concat(
    [...groups(head), ...zeros, ...groups(tail)].map((group) => u16(Number.parseInt(group, 16))),
  );
}

function writeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]),
    Buffer.from([0]),
  ]);
}

function readName(message: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.'), end: at + 1 };
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}
