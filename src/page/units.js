// Figures as text. KiB, MiB and GiB are powers of 1,024 bytes, as in the trace.

export const MIB = 1_048_576;
const GIB = 1024 * MIB;

const grouped = (number, decimals) =>
  number.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

const UNITS = [[GIB, 'GiB'], [MIB, 'MiB'], [1024, 'KiB'], [1, 'bytes']];
const unitFor = bytes => UNITS.find(([unit]) => bytes >= unit) ?? UNITS.at(-1);
const letterOf = name => name[0].toUpperCase();
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

// With one decimal and the first letter of the unit: `804.6M`.
export function brief(bytes) {
  if (bytes === null) return '?';
  const [unit, name] = unitFor(bytes);
  return `${inUnit(bytes, unit)}${letterOf(name)}`;
}

// In at most five characters, as the trace writes it: `40.2M`, `805M`, `64.0K`.
export function short(bytes) {
  if (bytes === null) return '?';
  const [unit, name] = unitFor(bytes);
  return `${unit === 1 || bytes / unit >= 99.95 ? Math.round(bytes / unit) : (bytes / unit).toFixed(1)}${letterOf(name)}`;
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
