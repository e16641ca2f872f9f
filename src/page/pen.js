// The strokes that the chart is made of.

export function line({ pen }, points, colour, width, dashes = []) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.setLineDash(dashes);
  pen.beginPath();
  for (const point of points) pen.lineTo(...point);
  pen.stroke();
}

export function write({ pen }, text, x, y, align, colour) {
  [pen.fillStyle, pen.textAlign, pen.textBaseline] = [colour, align, 'middle'];
  pen.fillText(text, x, y);
}
