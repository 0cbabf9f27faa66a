/** What a simulated board needs and no device profile holds. All of it is estimated. */
export type Physics = {
  leakageW: number;
  thermal: {
    socJPerC: number;
    boardJPerC: number;
    socToBoardCPerW: number;
    boardToAmbientCPerW: number;
  };
  coreBytesPerCycle: number;
  /** Null: by whether the cores have dot products. */
  coreOpsPerCycle: number | null;
};

/**
 * Boards as one would set them up to work all day: with a passive heatsink, in still air. Resistances
 * are chosen so that idle at 25 °C lands at 32 to 40 °C (a bare Pi 4 idles about 10 °C hotter, and
 * could not stay below 75 °C at an ambient of 60 °C even without work); capacities so that the chip
 * takes seconds and its board minutes.
 */
const KNOWN: readonly { name: RegExp; physics: Physics }[] = [
  {
    name: /zero-2/,
    physics: {
      leakageW: 0.03,
      thermal: { socJPerC: 1.5, boardJPerC: 18, socToBoardCPerW: 5, boardToAmbientCPerW: 14 },
      coreBytesPerCycle: 0.8,
      coreOpsPerCycle: 4,
    },
  },
  {
    name: /pi-4|cm4|pi-3/,
    physics: {
      leakageW: 0.1,
      thermal: { socJPerC: 3, boardJPerC: 45, socToBoardCPerW: 2.5, boardToAmbientCPerW: 4 },
      coreBytesPerCycle: 1.6,
      coreOpsPerCycle: 6,
    },
  },
  {
    name: /pi-5|cm5/,
    physics: {
      leakageW: 0.1,
      thermal: { socJPerC: 4, boardJPerC: 60, socToBoardCPerW: 2, boardToAmbientCPerW: 5 },
      coreBytesPerCycle: 2.2,
      coreOpsPerCycle: 16,
    },
  },
  {
    name: /orin|xavier|jetson/,
    physics: {
      leakageW: 0.25,
      thermal: { socJPerC: 12, boardJPerC: 150, socToBoardCPerW: 0.8, boardToAmbientCPerW: 2.5 },
      coreBytesPerCycle: 3,
      coreOpsPerCycle: 16,
    },
  },
];

const ANY: Physics = {
  leakageW: 0.1,
  thermal: { socJPerC: 5, boardJPerC: 60, socToBoardCPerW: 2, boardToAmbientCPerW: 5 },
  coreBytesPerCycle: 2,
  coreOpsPerCycle: null,
};

export const physicsOf = (profileName: string): Physics =>
  KNOWN.find(({ name }) => name.test(profileName))?.physics ?? ANY;
