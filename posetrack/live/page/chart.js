// A line chart of the last minute. Each sample is a list of values; the band lies between the first two.

const WINDOW_MS = 60_000;
const STEP_MS = 500;
const ROOM_PX = 30;

export class Chart {
  #canvas;
  #samples = [];

  constructor(canvas) {
    this.#canvas = canvas;
  }

  // Current values; null leaves a gap.
  add(values) {
    const now = performance.now();
    const last = this.#samples.at(-1);
    const isGap = values.includes(null) && last && !last.values.includes(null);
    if (last && now - last.time < STEP_MS && !isGap) return;
    this.#samples.push({ time: now, values });
    while (now - this.#samples[0].time > WINDOW_MS + STEP_MS) this.#samples.shift();
    this.draw();
  }

  draw() {
    const width = this.#canvas.clientWidth;
    const height = this.#canvas.clientHeight;
    const ratio = window.devicePixelRatio || 1;
    if (!width || !height) return;
    this.#canvas.width = Math.round(width * ratio);
    this.#canvas.height = Math.round(height * ratio);
    const context = this.#canvas.getContext("2d");
    const style = getComputedStyle(this.#canvas);
    const color = (name) => style.getPropertyValue(name).trim();
    context.scale(ratio, ratio);

    const now = performance.now();
    const top = findTop(this.#samples.flatMap((sample) => sample.values));
    const x = (sample) => (width - ROOM_PX) * (1 - (now - sample.time) / WINDOW_MS);
    const y = (value) => height - 1 - (height - 8) * Math.min(value / top, 1);

    context.strokeStyle = color("--line");
    context.fillStyle = color("--muted");
    context.font = `10px ${style.fontFamily}`;
    context.textBaseline = "middle";
    for (const value of [0, top / 2, top]) {
      const line = Math.round(y(value)) - 0.5;
      context.beginPath();
      context.moveTo(0, line);
      context.lineTo(width - ROOM_PX, line);
      context.stroke();
    }
    context.fillText(top.toLocaleString("en", { notation: "compact" }), width - ROOM_PX + 5, y(top) + 1);
    context.fillText("0", width - ROOM_PX + 5, y(0) - 4);

    for (const run of splitRuns(this.#samples)) {
      const line = (i) => run.map((sample) => [x(sample), y(sample.values[i])]);
      if (run[0].values.length > 1) {
        context.fillStyle = color("--band");
        trace(context, [...line(0), ...line(1).reverse()]);
        context.fill();
      }
      context.strokeStyle = color("--accent");
      context.lineWidth = 1.5;
      context.lineJoin = "round";
      trace(context, line(0));
      context.stroke();
    }
  }
}

function trace(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
}

// Samples that follow one another without a gap.
function splitRuns(samples) {
  const runs = [[]];
  for (const sample of samples) {
    if (sample.values.includes(null)) runs.push([]);
    else runs.at(-1).push(sample);
  }
  return runs.filter((run) => run.length > 1);
}

// The top of the scale; rare peaks, such as the start, are cut off so that the rest is not flattened.
function findTop(values) {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b);
  if (!known.length) return 10;
  const usual = known[Math.floor(0.9 * (known.length - 1))];
  return ceilNicely(Math.max(1, Math.min(known.at(-1), 1.5 * usual)));
}

// The next round number at or above a value.
function ceilNicely(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((factor) => factor * power).find((nice) => nice >= value * 0.999);
}
