// QR codes (ISO/IEC 18004) of short texts: bytes, error correction level M,
// versions 1 to 9. One mask for all: readers take any, and an address has no
// pattern that it would spoil.

// By version: error correction bytes per block, blocks, bytes in all.
const versions = [
  [10, 1, 26],
  [16, 1, 44],
  [26, 1, 70],
  [18, 2, 100],
  [24, 2, 134],
  [16, 4, 172],
  [18, 4, 196],
  [22, 4, 242],
  [22, 5, 292],
];

// encode returns the rows of a code, true where it is dark, or null where the
// text is too long.
export function encode(text) {
  const bytes = new TextEncoder().encode(text);
  const i = versions.findIndex(([correction, blocks, all]) => bytes.length + 2 <= all - correction * blocks);
  return i < 0 ? null : draw(i + 1, interleave(pack(bytes, versions[i]), versions[i]));
}

// pack adds the header, and fills up: mode 4 (bytes) and the length, 12 bits.
function pack(bytes, [correction, blocks, all]) {
  const data = new Uint8Array(all - correction * blocks);
  const nibbles = [4, bytes.length >> 4, bytes.length & 15, ...[...bytes].flatMap((b) => [b >> 4, b & 15]), 0];
  nibbles.forEach((n, i) => (data[i >> 1] |= i % 2 ? n : n << 4));
  for (let i = bytes.length + 2, odd = true; i < data.length; i++, odd = !odd) data[i] = odd ? 0xec : 0x11;
  return data;
}

// interleave splits the data into blocks, and takes a byte of each in turn: first
// of the data, then of the error correction.
function interleave(data, [correction, count]) {
  const short = Math.floor(data.length / count);
  const long = data.length % count; // the last blocks have one byte more
  const blocks = [];
  for (let i = 0, at = 0; i < count; i++) {
    const size = short + (i >= count - long ? 1 : 0);
    blocks.push(data.subarray(at, (at += size)));
  }
  const corrections = blocks.map((block) => remainder(block, correction));
  const out = [];
  for (let i = 0; i <= short; i++) for (const block of blocks) if (i < block.length) out.push(block[i]);
  for (let i = 0; i < correction; i++) for (const block of corrections) out.push(block[i]);
  return out;
}

// multiply is that of GF(256) with the polynomial 0x11d.
function multiply(a, b) {
  let product = 0;
  for (; b; b >>= 1, a = (a << 1) ^ (a & 128 ? 0x11d : 0)) if (b & 1) product ^= a;
  return product;
}

// remainder is the Reed-Solomon code of a block.
function remainder(block, length) {
  let divisor = [1];
  for (let i = 0, root = 1; i < length; i++, root = multiply(root, 2)) {
    divisor = [...divisor, 0].map((n, k) => n ^ (k ? multiply(divisor[k - 1], root) : 0));
  }
  const rest = new Array(length).fill(0);
  for (const byte of block) {
    const factor = byte ^ rest.shift();
    rest.push(0);
    for (let k = 0; k < length; k++) rest[k] ^= multiply(divisor[k + 1], factor);
  }
  return rest;
}

// bch appends the remainder that protects the format and the version.
function bch(value, polynomial, bits) {
  let rest = value << bits;
  for (let i = 31 - Math.clz32(rest); i >= bits; i--) if ((rest >> i) & 1) rest ^= polynomial << (i - bits);
  return (value << bits) | rest;
}

function draw(version, stream) {
  const side = 17 + 4 * version;
  const rows = Array.from({ length: side }, () => new Array(side).fill(null)); // null: free for data
  const set = (x, y, dark) => (rows[y][x] = Boolean(dark));
  const square = (cx, cy, radius, dark) => {
    for (let y = Math.max(0, cy - radius); y <= Math.min(side - 1, cy + radius); y++) {
      for (let x = Math.max(0, cx - radius); x <= Math.min(side - 1, cx + radius); x++) {
        set(x, y, dark(Math.max(Math.abs(x - cx), Math.abs(y - cy))));
      }
    }
  };
  for (let i = 0; i < side; i++) {
    set(i, 6, i % 2 === 0);
    set(6, i, i % 2 === 0);
  }
  for (const [x, y] of [[3, 3], [side - 4, 3], [3, side - 4]]) square(x, y, 4, (d) => d !== 2 && d !== 4);
  const places = alignments(version, side);
  for (const y of places) {
    for (const x of places) {
      const corner = (x === 6 && y === 6) || (x === 6 && y === side - 7) || (x === side - 7 && y === 6);
      if (!corner) square(x, y, 2, (d) => d !== 1);
    }
  }
  // Level M is 00, the mask 000. Once around the first corner, once at the others.
  const format = bch(0, 0x537, 10) ^ 0x5412;
  for (let i = 0; i < 15; i++) {
    const dark = (format >> i) & 1;
    set(8, i < 6 ? i : i < 8 ? i + 1 : side - 15 + i, dark);
    set(i < 8 ? side - 1 - i : i === 8 ? 7 : 14 - i, 8, dark);
  }
  set(8, side - 8, true);
  if (version >= 7) {
    const bits = bch(version, 0x1f25, 12);
    for (let i = 0; i < 18; i++) {
      const [a, b] = [side - 11 + (i % 3), Math.floor(i / 3)];
      set(a, b, (bits >> i) & 1);
      set(b, a, (bits >> i) & 1);
    }
  }
  // The data, in columns of two from the right, up and down in turn.
  let bit = 0;
  for (let right = side - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right = 5;
    for (let i = 0; i < side; i++) {
      const y = up ? side - 1 - i : i;
      for (const x of [right, right - 1]) {
        if (rows[y][x] !== null) continue;
        const dark = (stream[bit >> 3] >> (7 - (bit & 7))) & 1;
        bit++;
        set(x, y, dark ^ ((x + y) % 2 === 0 ? 1 : 0));
      }
    }
  }
  return rows;
}

// alignments are the places of the small squares.
function alignments(version, side) {
  if (version === 1) return [];
  return version < 7 ? [6, side - 7] : [6, (side - 1) / 2, side - 7];
}
