// Figures as text. KiB, MiB and so on are powers of 1,024 bytes, as in the trace.

export const MIB = 1_048_576;

const grouped = (number, decimals) =>
  number.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

const UNITS = ['PiB', 'TiB', 'GiB', 'MiB', 'KiB', 'bytes'].map((name, i) => [1024 ** (5 - i), name]);
// The unit that suits a number of bytes, as [bytes, name].
export const unitFor = bytes => UNITS.find(([unit]) => bytes >= unit) ?? UNITS.at(-1);
const inUnit = (bytes, unit) => grouped(bytes / unit, unit === 1 ? 0 : 1);

// With the unit that suits it: `40.2 MiB`, `64.0 KiB`, `100 bytes`.
export function size(bytes) {
  if (bytes === null) return 'unknown';
  const [unit, name] = unitFor(bytes);
  return `${inUnit(bytes, unit)} ${name}`;
}

// A part of a whole, in the unit of the whole: `7.6 of 40.2 MiB`.
export function partOf(part, whole) {
  const [unit, name] = unitFor(whole);
  return `${inUnit(part, unit)} of ${inUnit(whole, unit)} ${name}`;
}

// The same as `size`, for tables: `804.6M`.
export function brief(bytes) {
  if (bytes === null) return '?';
  const [unit, name] = unitFor(bytes);
  return `${inUnit(bytes, unit)}${name[0].toUpperCase()}`;
}

// Microseconds in milliseconds, as the trace writes them: two decimals below 1 ms, one below 10 ms, none above.
export function ms(us) {
  if (us === null) return 'unknown';
  return grouped(us / 1000, us < 995 ? 2 : us < 9950 ? 1 : 0);
}

export const whole = number => grouped(number, 0);

// `1 viewer`, `20 viewers`.
export const several = (number, noun) => `${whole(number)} ${noun}${number === 1 ? '' : 's'}`;
