// The strokes that the chart is made of.

export const PEAK_RADIUS = 4.5, LIMIT_DASHES = [8, 3, 2, 3];

export function line({ pen }, points, colour, width, dashes = []) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.setLineDash(dashes);
  pen.beginPath();
  for (const point of points) pen.lineTo(...point);
  pen.stroke();
}

export function dot({ pen }, x, y, radius, colour) {
  pen.fillStyle = colour;
  pen.beginPath();
  pen.arc(x, y, radius, 0, 7);
  pen.fill();
}

export function ring(f, x, y, radius, colour) {
  dot(f, x, y, radius, f.theme.colours.card);
  [f.pen.strokeStyle, f.pen.lineWidth] = [colour, 1.2];
  f.pen.stroke();
}

export function write({ pen }, text, x, y, align, colour) {
  [pen.fillStyle, pen.textAlign, pen.textBaseline] = [colour, align, 'middle'];
  pen.fillText(text, x, y);
}
