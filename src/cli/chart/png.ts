import { TwowattError } from '../../core/index.ts';

/** Pixels for each CSS pixel of the SVG: sharp on paper and on dense screens. */
const PIXELS_PER_UNIT = 2;
/** SVG counts 96 CSS pixels to the inch, but sharp's density of 72 stands for 1:1. */
const SHARP_DENSITY = 72;

type Sharp = typeof import('sharp').default;

/** sharp is there because the tokenizer's package brings it; its native part may still not load. */
async function loadSharp(): Promise<Sharp> {
  try {
    const { default: sharp } = await import('sharp');
    return sharp;
  } catch (error) {
    throw new TwowattError(
      'unsupported',
      'PNG needs the package sharp, which does not load on this machine; write a .svg instead',
      { cause: error },
    );
  }
}

/** Without fonts every character is drawn as the same empty box. */
async function hasFonts(sharp: Sharp): Promise<boolean> {
  const drawn = ['i', 'W'].map((letter) =>
    sharp(
      Buffer.from(
        `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><text x="4" y="30" font-size="28" font-family="sans-serif">${letter}</text></svg>`,
      ),
    )
      .raw()
      .toBuffer(),
  );
  const [narrow, wide] = await Promise.all(drawn);
  return narrow !== undefined && wide !== undefined && !narrow.equals(wide);
}

/**
 * A picture of an SVG in pixels, with this machine's fonts. Throws `unsupported` where sharp does not
 * load, or where there is no font to write the axes with.
 */
export async function pngFrom(svg: string): Promise<Uint8Array> {
  const sharp = await loadSharp();
  if (!(await hasFonts(sharp))) {
    throw new TwowattError(
      'unsupported',
      'this machine has no fonts to label a PNG with; install some (apt-get install fonts-dejavu-core) or write a .svg',
    );
  }
  return sharp(Buffer.from(svg), { density: SHARP_DENSITY * PIXELS_PER_UNIT })
    .png({ compressionLevel: 9, palette: true })
    .toBuffer();
}
