// Texts into the page, where they differ from what stands there.

export const byId = id => document.getElementById(id);

export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Fills the parts that have these names.
export function fill(element, texts) {
  for (const [name, text] of Object.entries(texts)) say(element.querySelector(`[data-is="${name}"]`), text);
}

export function warn(element, text) {
  say(element, text);
  element.hidden = text === '';
}
