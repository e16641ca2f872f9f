// Where texts stand, so that none lies on another or on a curve.

// Moves labels at the end of curves apart, in a column from `top` to `bottom`; `height` is that of one.
// They are {y, ...} and get `textY`.
export function spread(labels, top, bottom, height) {
  const sorted = labels.toSorted((a, b) => a.y - b.y);
  const lowest = bottom - height / 2, highest = top + height / 2;
  let free = highest;
  for (const label of sorted) {
    label.textY = Math.max(label.y, free);
    free = label.textY + height;
  }
  // What hangs out below is pushed up again.
  free = lowest;
  for (const label of sorted.reverse()) {
    label.textY = Math.min(label.textY, free);
    free = label.textY - height;
  }
  return sorted;
}

const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

// The boxes that are taken. A box that meets one of them is not placed.
export class Places {
  taken = [];

  place(box) {
    if (this.taken.some(other => meet(box, other))) return false;
    this.taken.push(box);
    return true;
  }
}
