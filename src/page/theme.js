// The colours of the style sheet for the chart, asked for when they change and not in each frame.

export const LOOKS = ['buffer', 'stream', 'other'];
// A mode is also known by its dashes, for those who do not see colours apart.
export const DASHES = { buffer: [], stream: [10, 5], other: [3, 4] };
const NAMES = ['card', 'text', 'quiet', 'line', 'alarm', ...LOOKS, ...LOOKS.map(look => `${look}-rss`)];

let read = null;

export function theme() {
  if (read) return read;
  const style = getComputedStyle(document.body);
  const colours = Object.fromEntries(NAMES.map(name => [name, style.getPropertyValue(`--${name}`).trim()]));
  read = { colours, family: style.fontFamily, em: parseFloat(style.fontSize) * 0.85 };
  return read;
}

// `changed` is called when the page has other colours or letters than before.
export function watchTheme(changed) {
  const again = () => { read = null; changed(); };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', again);
  matchMedia('(forced-colors: active)').addEventListener('change', again);
  new ResizeObserver(again).observe(document.body);
}
