import type { TokenBytes } from '../detokenizer.ts';

const LONGEST_TOKEN_BYTES = 255;

/**
 * The tokens' bytes as a trie in preorder: node 0 is the root, a node's first child is the next
 * node, its subtree ends before `end[node]`, so a subtree that is ruled out is skipped at once.
 * Tokens without bytes (special ones) are not in it: an answer under a grammar never holds them.
 */
export class Vocabulary {
  /** Number of logits. */
  readonly size: number;
  readonly nodes: number;
  readonly byte: Uint8Array;
  readonly depth: Uint8Array;
  readonly end: Int32Array;
  /** Node n's tokens are `tokens[tokensFrom[n]]` up to `tokensFrom[n + 1]`; several may be spelt alike. */
  readonly tokensFrom: Int32Array;
  readonly tokens: Int32Array;
  readonly bytesOf: TokenBytes;
  /** Every byte can be written by itself, so whatever is left to write can be written. */
  readonly writesEveryByte: boolean;

  constructor(bytesOf: TokenBytes, size: number) {
    this.size = size;
    this.bytesOf = bytesOf;
    const spelt: { token: number; text: string }[] = [];
    let bytes = 0;
    for (let token = 0; token < size; token++) {
      const spelling = bytesOf(token);
      if (spelling.length === 0 || spelling.length > LONGEST_TOKEN_BYTES) continue;
      spelt.push({ token, text: Buffer.from(spelling).toString('latin1') });
      bytes += spelling.length;
    }
    spelt.sort((a, b) => (a.text < b.text ? -1 : Number(a.text > b.text)));
    const byte = new Uint8Array(bytes + 1);
    const depth = new Uint8Array(bytes + 1);
    const end = new Int32Array(bytes + 1);
    const tokensFrom = new Int32Array(bytes + 2);
    this.tokens = Int32Array.from(spelt, ({ token }) => token);
    // Nodes on the way from the root to the last token.
    const path: number[] = [0];
    let nodes = 1;
    let last = '';
    for (const [index, { text }] of spelt.entries()) {
      let common = 0;
      while (common < last.length && text.charCodeAt(common) === last.charCodeAt(common)) {
        common += 1;
      }
      while (path.length > common + 1) end[path.pop() as number] = nodes;
      for (let at = common; at < text.length; at++) {
        byte[nodes] = text.charCodeAt(at);
        depth[nodes] = at + 1;
        tokensFrom[nodes] = index;
        path.push(nodes);
        nodes += 1;
      }
      tokensFrom[nodes] = index + 1;
      last = text;
    }
    for (const node of path) end[node] = nodes;
    tokensFrom[nodes] = spelt.length;
    this.nodes = nodes;
    this.byte = byte.slice(0, nodes);
    this.depth = depth.slice(0, nodes);
    this.end = end.slice(0, nodes);
    this.tokensFrom = tokensFrom.slice(0, nodes + 1);
    const single = new Set(spelt.filter(({ text }) => text.length === 1).map(({ text }) => text));
    this.writesEveryByte = single.size === 256;
  }

  child(node: number, byte: number): number | undefined {
    const end = this.end[node] as number;
    for (let at = node + 1; at < end; at = this.end[at] as number) {
      if (this.byte[at] === byte) return at;
    }
    return undefined;
  }

  /** The node that spells `text` (bytes as latin1), if any token begins with it. */
  find(text: string): number | undefined {
    let node: number | undefined = 0;
    for (let at = 0; at < text.length && node !== undefined; at++) {
      node = this.child(node, text.charCodeAt(at));
    }
    return node;
  }

  hasToken(node: number): boolean {
    return (this.tokensFrom[node + 1] as number) > (this.tokensFrom[node] as number);
  }

  /**
   * Fewest tokens that spell `bytes` from each position to the end; the last entry, for nothing left,
   * is 0. Infinity where no tokens can.
   */
  fewestTokens(bytes: Uint8Array): Float64Array {
    const fewest = new Float64Array(bytes.length + 1).fill(Number.POSITIVE_INFINITY);
    fewest[bytes.length] = 0;
    for (let from = bytes.length - 1; from >= 0; from--) {
      let node: number | undefined = 0;
      for (let at = from; at < bytes.length; at++) {
        node = this.child(node, bytes[at] as number);
        if (node === undefined) break;
        if (!this.hasToken(node)) continue;
        fewest[from] = Math.min(fewest[from] as number, 1 + (fewest[at + 1] as number));
      }
    }
    return fewest;
  }
}
