/** Random numbers that a seed repeats: noise of a simulated sensor must be the same in every run. */
export type Random = {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** Standard normal. */
  normal(): number;
};

/** Marsaglia's xorshift with 32 bits of state (Journal of Statistical Software 8/14, 2003). */
export function createRandom(seed: number): Random {
  // The generator has one bad state, zero; small seeds are spread so that neighbours differ.
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0 || 1;
  const uniform = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
  return {
    uniform,
    // Box and Muller; 1 − u keeps the logarithm away from zero.
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
  };
}
