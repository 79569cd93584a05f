/** A set of nodes by their number, as bits: thousands of nodes are intersected in a few hundred steps. */
export class NodeSet {
  #words = new Uint32Array(4);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(node: number): boolean {
    return (((this.#words[node >>> 5] ?? 0) >>> (node & 31)) & 1) === 1;
  }

  add(node: number): void {
    if (this.has(node)) return;
    const word = node >>> 5;
    if (word >= this.#words.length) {
      const larger = new Uint32Array(Math.max(word + 1, this.#words.length * 2));
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words[word] = ((this.#words[word] ?? 0) | (1 << (node & 31))) >>> 0;
    this.#size += 1;
  }

  delete(node: number): void {
    if (!this.has(node)) return;
    const word = node >>> 5;
    this.#words[word] = ((this.#words[word] ?? 0) & ~(1 << (node & 31))) >>> 0;
    this.#size -= 1;
  }

  set(node: number, there: boolean): void {
    if (there) this.add(node);
    else this.delete(node);
  }

  /** What is in this one and in `other`, from `begin` upward and round to it again; `limit` of them at most. */
  common(other: NodeSet, begin = 0, limit = Number.POSITIVE_INFINITY): number[] {
    const found: number[] = [];
    const length = Math.min(this.#words.length, other.#words.length);
    if (length === 0 || this.#size === 0 || other.#size === 0) return found;
    const first = Math.min(begin >>> 5, length - 1);
    const inFirst = begin >>> 5 < length ? (0xffffffff << (begin & 31)) >>> 0 : 0;
    for (let i = 0; i <= length && found.length < limit; i += 1) {
      const word = (first + i) % length;
      let bits = ((this.#words[word] ?? 0) & (other.#words[word] ?? 0)) >>> 0;
      if (i === 0) bits = (bits & inFirst) >>> 0;
      if (i === length) bits = (bits & ~inFirst) >>> 0;
      while (bits !== 0 && found.length < limit) {
        found.push((word << 5) + (31 - Math.clz32(bits & -bits)));
        bits = (bits & (bits - 1)) >>> 0;
      }
    }
    return found;
  }

  meets(other: NodeSet): boolean {
    return this.common(other, 0, 1).length > 0;
  }

  /** The same for equal sets; apart for others, but for chance. */
  signature(): string {
    let [a, b] = [0x811c9dc5, 0x9e3779b9];
    this.#words.forEach((word, i) => {
      if (word === 0) return;
      a = Math.imul(a ^ word ^ Math.imul(i, 0x85ebca6b), 0x01000193) >>> 0;
      b = Math.imul(b ^ word, 0xc2b2ae35) + i;
      b = (b ^ (b >>> 15)) >>> 0;
    });
    return `${this.#size}.${a}.${b}`;
  }
}
