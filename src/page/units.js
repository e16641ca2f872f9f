// Figures as text. Sizes are in MiB of 1,048,576 bytes, as in the trace.

export const MIB = 1_048_576;
const GIB = 1024 * MIB;

const grouped = (number, decimals) =>
  number.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

// As the trace writes it: one decimal, two where one would hide the figure.
export function mib(bytes) {
  return bytes === null ? 'unknown' : grouped(bytes / MIB, bytes < MIB / 5 ? 2 : 1);
}

// With the unit that suits it.
export function size(bytes) {
  if (bytes === null) return 'unknown';
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < MIB) return `${grouped(bytes / 1024, bytes % 1024 ? 1 : 0)} KiB`;
  return bytes < 1024 * MIB ? `${mib(bytes)} MiB` : `${grouped(bytes / GIB, 1)} GiB`;
}

export function ms(us) {
  if (us === null) return 'unknown';
  return grouped(us / 1000, us < 100 ? 2 : us < 100_000 ? 1 : 0);
}

export const whole = number => grouped(number, 0);

// `1 viewer`, `20 viewers`.
export const several = (number, noun) => `${whole(number)} ${noun}${number === 1 ? '' : 's'}`;

export const clockTime = date => date.toLocaleTimeString('en-GB');

export function median(numbers) {
  if (!numbers.length) return null;
  return numbers.toSorted((a, b) => a - b)[Math.floor((numbers.length - 1) / 2)];
}
