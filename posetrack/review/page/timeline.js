// The timeline: a ruler with an overview, and one lane a track. Only what is in view is drawn.

export const LANE_PX = 22;
const GUTTER_PX = 64;
const OVERVIEW_PX = 14;
const RULER_PX = 40;
const LEAST_ROWS = 20;

export class Timeline {
  row = 0;
  marks = null;
  selected = null;
  suspect_rows = [];

  #all = [];
  #lanes = [];
  #view = [0, 1];
  #pending = false;
  #grabbed = null;
  #width = 1;
  #ratio = 1;

  constructor({ ruler, lanes, canvas, space, frames, colorOf, sought, picked }) {
    Object.assign(this, { ruler, lanes, canvas, space, frames, colorOf, sought, picked });
    this.length = frames.length;
    this.#view = [0, Math.max(this.length, LEAST_ROWS)];
    new ResizeObserver(() => this.#resize()).observe(lanes);
    lanes.addEventListener("scroll", () => this.draw());
    for (const each of [ruler, canvas]) {
      each.addEventListener("pointerdown", (event) => this.#down(event));
      each.addEventListener("pointermove", (event) => this.#move(event));
      each.addEventListener("pointerup", (event) => this.#up(event));
      each.addEventListener("pointercancel", (event) => this.#up(event));
      each.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    }
  }

  setLanes(lanes) {
    this.#all = lanes;
    this.suspect_rows = lanes.flatMap((lane) => lane.suspects.map(([row]) => row)).sort((a, b) => a - b);
    this.#choose();
    this.draw();
  }

  select(id) {
    this.selected = id;
    this.#choose();
    const top = this.#lanes.findIndex((lane) => lane.id === id) * LANE_PX;
    const { scrollTop, clientHeight } = this.lanes;
    if (top >= 0 && top < scrollTop) this.lanes.scrollTop = top;
    else if (top + LANE_PX > scrollTop + clientHeight) this.lanes.scrollTop = top + LANE_PX - clientHeight + 6;
    this.draw();
  }

  // The ids of the lanes, from above.
  get ids() {
    return this.#lanes.map((lane) => lane.id);
  }

  // Lanes of those who are seen in the part that is shown, and of the selected one: of thousands, few are.
  #choose() {
    const [start, end] = this.#view;
    this.#lanes = this.#all.filter(
      ({ id, runs }) => (runs[0] < end && runs[runs.length - 1] > start) || id === this.selected,
    );
    this.space.style.height = `${this.#lanes.length * LANE_PX + 6}px`;
  }

  get lanesDrawn() {
    return Math.ceil(this.lanes.clientHeight / LANE_PX) + 1;
  }

  zoom(factor) {
    const [start, end] = this.#view;
    const middle = this.row >= start && this.row <= end ? this.row : (start + end) / 2;
    this.#setView(middle - (middle - start) * factor, middle + (end - middle) * factor);
  }

  zoomAll() {
    this.#setView(0, this.length);
  }

  // Scroll to the row, a page at a time.
  follow() {
    const [start, end] = this.#view;
    const width = end - start;
    if (this.row < start || this.row > end - 1) {
      const from = this.row < start && this.row > start - width / 10 ? this.row - width * 0.9 : this.row - width * 0.1;
      this.#setView(from, from + width);
    } else this.draw();
  }

  draw() {
    if (this.#pending) return;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      this.#paint();
    });
  }

  // Where a row is, in pixels of the page from the left edge of the timeline.
  place(row) {
    const [start, end] = this.#view;
    return GUTTER_PX + ((row - start) / (end - start)) * (this.#width - GUTTER_PX);
  }

  #setView(start, end) {
    const most = Math.max(this.length, LEAST_ROWS);
    const width = Math.min(Math.max(end - start, LEAST_ROWS), most);
    const from = Math.min(Math.max((start + end - width) / 2, 0), most - width);
    this.#view = [from, from + width];
    this.#choose();
    this.draw();
  }

  #resize() {
    this.#width = this.lanes.clientWidth;
    this.#ratio = Math.min(devicePixelRatio || 1, 2);
    for (const [canvas, height] of [[this.ruler, RULER_PX], [this.canvas, this.lanes.clientHeight]]) {
      canvas.width = Math.max(1, Math.round(this.#width * this.#ratio));
      canvas.height = Math.max(1, Math.round(height * this.#ratio));
      canvas.style.width = `${this.#width}px`;
      canvas.style.height = `${height}px`;
    }
    this.#paint();
  }

  #paint() {
    const style = getComputedStyle(document.documentElement);
    const colors = {};
    for (const name of ["text", "muted", "line", "surface", "ground", "accent", "tint", "warn"]) {
      colors[name] = style.getPropertyValue(`--${name}`).trim();
    }
    this.#paintRuler(colors);
    this.#paintLanes(colors);
  }

  #paintRuler(colors) {
    const context = this.ruler.getContext("2d");
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    context.clearRect(0, 0, this.#width, RULER_PX);
    const [start, end] = this.#view;
    const inner = this.#width - GUTTER_PX;
    // Overview of the whole file
    const all = (row) => GUTTER_PX + (row / Math.max(this.length, 1)) * inner;
    context.fillStyle = colors.ground;
    context.fillRect(GUTTER_PX, 0, inner, OVERVIEW_PX);
    context.fillStyle = colors.warn;
    let last = -2;
    for (const row of this.suspect_rows) {
      const x = Math.round(all(row));
      if (x < last + 2) continue;
      context.fillRect(x, 3, 2, OVERVIEW_PX - 6);
      last = x;
    }
    context.strokeStyle = colors.accent;
    context.lineWidth = 1.5;
    context.strokeRect(all(start) + 0.75, 0.75, Math.max(all(end) - all(start) - 1.5, 4), OVERVIEW_PX - 1.5);
    context.fillStyle = colors.accent;
    context.fillRect(all(this.row), 0, 2, OVERVIEW_PX);
    // Ruler
    const step = niceStep((end - start) / Math.max(inner / 90, 1));
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "alphabetic";
    context.fillStyle = colors.muted;
    for (let row = Math.ceil(start / step) * step; row < Math.min(end, this.length); row += step) {
      const x = this.place(row);
      context.fillRect(Math.round(x), RULER_PX - 6, 1, 6);
      const text = String(this.frames[row] ?? row);
      if (x + context.measureText(text).width + 3 < this.#width) context.fillText(text, Math.round(x) + 3, RULER_PX - 6);
    }
    context.fillText("frame", 10, RULER_PX - 6);
    this.#paintMarks(context, colors, OVERVIEW_PX + 2, RULER_PX);
    this.#paintRow(context, colors, OVERVIEW_PX + 2, RULER_PX, true);
  }

  #paintMarks(context, colors, top, bottom) {
    if (!this.marks) return;
    const [first, last] = [this.place(this.marks[0]), this.place(this.marks[1] + 1)];
    const [left, right] = [Math.max(first, GUTTER_PX), Math.min(last, this.#width)];
    if (right <= left) return;
    context.globalAlpha = 0.18;
    context.fillStyle = colors.accent;
    context.fillRect(left, top, right - left, bottom - top);
    context.globalAlpha = 1;
    if (first >= GUTTER_PX) context.fillRect(left, top, 1.5, bottom - top);
    if (last <= this.#width) context.fillRect(right - 1.5, top, 1.5, bottom - top);
  }

  #paintRow(context, colors, top, bottom, hasHead) {
    const x = this.place(this.row + 0.5);
    if (x < GUTTER_PX - 1 || x > this.#width + 1) return;
    context.fillStyle = colors.accent;
    context.fillRect(x - 1, top, 2, bottom - top);
    if (!hasHead) return;
    context.beginPath();
    context.moveTo(x - 6, top);
    context.lineTo(x + 6, top);
    context.lineTo(x, top + 8);
    context.fill();
  }

  #paintLanes(colors) {
    const context = this.canvas.getContext("2d");
    const height = this.canvas.height / this.#ratio;
    const { scrollTop } = this.lanes;
    context.setTransform(this.#ratio, 0, 0, this.#ratio, 0, 0);
    context.clearRect(0, 0, this.#width, height);
    const first = Math.floor(scrollTop / LANE_PX);
    context.textBaseline = "middle";
    for (let i = first; i < Math.min(first + this.lanesDrawn, this.#lanes.length); i += 1) {
      this.#paintLane(context, colors, this.#lanes[i], i * LANE_PX - scrollTop);
    }
    this.#paintMarks(context, colors, 0, height);
    this.#paintRow(context, colors, 0, height, false);
    for (let i = first; i < Math.min(first + this.lanesDrawn, this.#lanes.length); i += 1) {
      this.#paintSuspects(context, colors, this.#lanes[i], i * LANE_PX - scrollTop);
    }
  }

  #paintLane(context, colors, lane, top) {
    const isSelected = lane.id === this.selected;
    if (isSelected) {
      context.fillStyle = colors.tint;
      context.fillRect(0, top, this.#width, LANE_PX);
    }
    const color = this.colorOf(lane.id);
    context.fillStyle = color;
    context.fillRect(8, top + 5, 4, LANE_PX - 10);
    context.fillStyle = isSelected ? colors.accent : colors.text;
    context.font = `${isSelected ? 700 : 500} 12px system-ui, sans-serif`;
    context.fillText(String(lane.id), 18, top + LANE_PX / 2 + 0.5, GUTTER_PX - 22);
    context.save();
    context.beginPath();
    context.rect(GUTTER_PX, top, this.#width - GUTTER_PX, LANE_PX);
    context.clip();
    const { runs } = lane;
    const [from, to] = [this.place(runs[0]), this.place(runs[runs.length - 1])];
    context.fillStyle = colors.muted;
    for (let x = Math.max(from, GUTTER_PX); x < Math.min(to, this.#width); x += 6) {
      context.fillRect(x, top + LANE_PX / 2 - 0.5, 3, 1);
    }
    context.fillStyle = isSelected ? colors.tint : colors.surface;
    this.#paintSpans(context, runs, top + 5, LANE_PX - 10);
    context.fillStyle = color;
    context.globalAlpha = isSelected || this.selected === null ? 0.85 : 0.5;
    this.#paintSpans(context, runs, top + 5, LANE_PX - 10);
    context.fillStyle = colors.surface;
    context.globalAlpha = 0.65;
    this.#paintSpans(context, lane.low, top + 8, LANE_PX - 16);
    context.globalAlpha = 1;
    context.restore();
  }

  #paintSpans(context, spans, top, height) {
    const [start, end] = this.#view;
    let done = -Infinity;
    for (let i = findSpan(spans, start); i < spans.length && spans[i] < end; i += 2) {
      const [left, right] = [Math.max(this.place(spans[i]), done), this.place(spans[i + 1])];
      if (right <= done) continue;
      done = Math.max(right, left + 1);
      context.fillRect(left, top, done - left, height);
    }
  }

  #paintSuspects(context, colors, lane, top) {
    const [start, end] = this.#view;
    let last = -Infinity;
    for (const [row] of lane.suspects) {
      if (row < start || row > end) continue;
      const x = this.place(row + 0.5);
      if (x - last < 3 || x < GUTTER_PX) continue;
      last = x;
      context.beginPath();
      context.moveTo(x - 6, top + 2);
      context.lineTo(x + 6, top + 2);
      context.lineTo(x, top + 13);
      context.closePath();
      context.fillStyle = colors.warn;
      context.fill();
      context.lineWidth = 1.25;
      context.strokeStyle = colors.surface;
      context.stroke();
    }
  }

  // Pointers

  #rowAt(event) {
    const { left } = this.lanes.getBoundingClientRect();
    const [start, end] = this.#view;
    const share = (event.clientX - left - GUTTER_PX) / Math.max(this.#width - GUTTER_PX, 1);
    return Math.min(Math.max(Math.floor(start + share * (end - start)), 0), this.length - 1);
  }

  #down(event) {
    if (event.button) return;
    event.target.setPointerCapture(event.pointerId);
    const { top, left } = event.target.getBoundingClientRect();
    if (event.target === this.ruler && event.clientY - top < OVERVIEW_PX) this.#grabbed = "overview";
    else if (event.target === this.canvas) {
      const lane = this.#lanes[Math.floor((event.clientY - top + this.lanes.scrollTop) / LANE_PX)];
      this.#grabbed = event.pointerType === "touch" ? "tap" : "row";
      if (event.clientX - left < GUTTER_PX) this.#grabbed = null;
      if (lane && this.picked(lane.id)) this.#grabbed = null;
    } else this.#grabbed = "row";
    if (this.#grabbed !== "tap") this.#move(event);
  }

  #move(event) {
    if (this.#grabbed === "row") this.sought(this.#rowAt(event));
    else if (this.#grabbed === "overview") {
      const { left } = this.ruler.getBoundingClientRect();
      const share = (event.clientX - left - GUTTER_PX) / Math.max(this.#width - GUTTER_PX, 1);
      const middle = Math.min(Math.max(share, 0), 1) * this.length;
      const width = this.#view[1] - this.#view[0];
      this.#setView(middle - width / 2, middle + width / 2);
      this.sought(Math.min(Math.max(Math.floor(middle), 0), this.length - 1));
    }
  }

  #up(event) {
    if (this.#grabbed === "tap" && event.type === "pointerup") this.sought(this.#rowAt(event));
    this.#grabbed = null;
  }

  #wheel(event) {
    const across = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    const [start, end] = this.#view;
    if (event.ctrlKey || event.metaKey || event.target === this.ruler) {
      event.preventDefault();
      const factor = Math.exp((event.deltaY || event.deltaX) * 0.002);
      const at = this.#rowAt(event);
      this.#setView(at - (at - start) * factor, at + (end - at) * factor);
    } else if (Math.abs(across) > 0 && (event.shiftKey || Math.abs(across) > Math.abs(event.deltaY))) {
      event.preventDefault();
      const by = (across / Math.max(this.#width - GUTTER_PX, 1)) * (end - start);
      this.#setView(start + by, end + by);
    }
  }
}

// The first span that ends behind a row.
function findSpan(spans, row) {
  let low = 0;
  let high = spans.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[2 * middle + 1] > row) high = middle;
    else low = middle + 1;
  }
  return 2 * low;
}

function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(Math.max(least, 1)));
  return [1, 2, 5, 10].map((each) => each * power).find((each) => each >= least);
}
