// The image with the poses drawn over it: zoom, selection and keypoints that can be dragged.

const LOW = 0.3;
const REACH_PX = { mouse: 9, touch: 18, pen: 12 };
const LARGEST_ZOOM = 24;

export class Stage {
  // What is drawn; app.js sets it, and calls draw().
  frame = null;
  row = 0;
  image = null;
  selected = null;
  keypoint = null;
  shows = { boxes: true, images: true };
  isPicking = false;

  #zoom = 1;
  #center = null;
  #pointers = new Map();
  #drag = null;
  #pinch = null;
  #pending = false;

  constructor(canvas, session, { picked, grabbed, moved, hovered }) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
    this.session = session;
    this.size = session.size;
    this.picked = picked;
    this.grabbed = grabbed;
    this.moved = moved;
    this.hovered = hovered;
    new ResizeObserver(() => this.#resize()).observe(canvas);
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    canvas.addEventListener("pointerup", (event) => this.#up(event));
    canvas.addEventListener("pointercancel", (event) => this.#up(event));
    canvas.addEventListener("pointerleave", () => this.hovered(null));
    canvas.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    canvas.addEventListener("dblclick", () => this.fit());
  }

  colorOf(id) {
    const colors = this.session.colors;
    return id > 0 ? colors[(id - 1) % colors.length] : "#a0a0a0";
  }

  get isZoomed() {
    return this.#zoom > 1;
  }

  fit() {
    this.#zoom = 1;
    this.#center = null;
    this.draw();
  }

  // Zoom to a box in pixels of the image.
  zoomTo([x1, y1, x2, y2]) {
    const [width, height] = this.size;
    const { fit } = this.#measure();
    const scale = Math.min(this.canvas.width / (1.6 * (x2 - x1) + 20), this.canvas.height / (1.4 * (y2 - y1) + 20));
    this.#zoom = Math.min(Math.max(scale / fit, 1), LARGEST_ZOOM);
    this.#center = [(x1 + x2) / 2, (y1 + y2) / 2].map((value, i) => Math.min(Math.max(value, 0), [width, height][i]));
    this.draw();
  }

  // At once, so that image and poses are of one frame while a video goes on.
  drawNow() {
    this.#paint();
  }

  draw() {
    if (this.#pending) return;
    this.#pending = true;
    requestAnimationFrame(() => {
      this.#pending = false;
      this.#paint();
    });
  }

  // From pixels of the image to those of the page.
  place(x, y) {
    const { scale, left, top } = this.#measure();
    const { left: l, top: t, width } = this.canvas.getBoundingClientRect();
    const ratio = width / this.canvas.width;
    return [l + (left + x * scale) * ratio, t + (top + y * scale) * ratio];
  }

  #resize() {
    const ratio = Math.min(devicePixelRatio || 1, 2);
    const { width, height } = this.canvas.getBoundingClientRect();
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
    this.#paint();
  }

  #measure() {
    const [width, height] = this.size;
    const fit = Math.min(this.canvas.width / width, this.canvas.height / height);
    const scale = fit * this.#zoom;
    const [x, y] = this.#center ?? [width / 2, height / 2];
    return { fit, scale, left: this.canvas.width / 2 - x * scale, top: this.canvas.height / 2 - y * scale };
  }

  #paint() {
    const { context, canvas } = this;
    const [width, height] = this.size;
    const { scale, left, top } = this.#measure();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(scale, 0, 0, scale, left, top);
    context.fillStyle = "#74787d";
    context.fillRect(0, 0, width, height);
    const source = this.shows.images ? this.image?.source : null;
    if (source) {
      context.imageSmoothingEnabled = scale < 4;
      context.drawImage(source, 0, 0, width, height);
    }
    const ratio = canvas.width / Math.max(canvas.getBoundingClientRect().width, 1);
    const unit = ratio / scale;  // A pixel of the page, in pixels of the image.
    const people = this.frame?.people ?? [];
    for (const person of people) if (person.id !== this.selected) this.#paintPerson(person, unit, false);
    for (const person of people) if (person.id === this.selected) this.#paintPerson(person, unit, true);
    context.setTransform(1, 0, 0, 1, 0, 0);
    const taken = [];
    for (const person of people) this.#paintLabel(person, scale, left, top, ratio, taken);
  }

  #paintPerson(person, unit, isSelected) {
    const { context } = this;
    const { edges } = this.session.skeleton;
    const color = this.colorOf(person.id);
    const points = this.#drag?.person === person.id ? this.#drag.points : person.points;
    context.globalAlpha = this.selected !== null && !isSelected ? 0.75 : 1;
    context.lineCap = "round";
    if (this.shows.boxes) {
      const [x1, y1, x2, y2] = person.box;
      context.setLineDash(person.made ? [6 * unit, 4 * unit] : []);
      for (const [line, style] of [[isSelected ? 4.5 : 3, "#000000a0"], [isSelected ? 2.5 : 1.4, color]]) {
        context.lineWidth = line * unit;
        context.strokeStyle = style;
        context.strokeRect(x1, y1, x2 - x1, y2 - y1);
      }
    }
    context.setLineDash(person.made ? [5 * unit, 4 * unit] : []);
    for (const [line, style] of [[isSelected ? 5.5 : 4.5, "#101010c0"], [isSelected ? 3 : 2.5, color]]) {
      context.lineWidth = line * unit;
      context.strokeStyle = style;
      context.beginPath();
      for (const [a, b] of edges) {
        if (!(points[3 * a + 2] >= LOW && points[3 * b + 2] >= LOW)) continue;
        context.moveTo(points[3 * a], points[3 * a + 1]);
        context.lineTo(points[3 * b], points[3 * b + 1]);
      }
      context.stroke();
    }
    context.setLineDash([]);
    if (isSelected) this.#paintKeypoints(points, unit, (person.box[3] - person.box[1]) / unit);
    context.globalAlpha = 1;
  }

  // Handles, smaller on a small person; around the chosen one is a ring, through which the image is seen.
  #paintKeypoints(points, unit, height_px) {
    const { context } = this;
    const radius = Math.min(Math.max(height_px / 40, 2), 4.5);
    for (let k = 0; 3 * k < points.length; k += 1) {
      const isChosen = k === this.keypoint;
      if (points[3 * k + 2] === 0 && !isChosen) continue;
      const [x, y] = [points[3 * k], points[3 * k + 1]];
      const dot = (size) => {
        context.beginPath();
        context.arc(x, y, size * unit, 0, 2 * Math.PI);
      };
      dot(isChosen ? 2 : radius);
      context.globalAlpha = points[3 * k + 2] >= LOW ? 1 : 0.45;
      context.fillStyle = this.session.side_colors[this.session.skeleton.sides[k]];
      context.fill();
      context.globalAlpha = 1;
      context.lineWidth = 1.25 * unit;
      context.strokeStyle = "#101010";
      context.stroke();
      if (!isChosen) continue;
      for (const [line, style] of [[5, "#101010"], [2.5, "#ffffff"]]) {
        dot(9);
        context.lineWidth = line * unit;
        context.strokeStyle = style;
        context.stroke();
      }
    }
  }

  #paintLabel(person, scale, left, top, ratio, taken) {
    const { context, canvas } = this;
    const isSelected = person.id === this.selected;
    const text = person.id > 0 ? String(person.id) : "–";
    // Smaller where many share a small image.
    const size = (this.frame.people.length * 4000 > (canvas.width * canvas.height) / ratio ** 2 ? 10 : 13) * ratio;
    context.font = `${isSelected ? 700 : 600} ${size}px system-ui, sans-serif`;
    const width = context.measureText(text).width + 0.75 * size;
    const height = 1.4 * size;
    let x = left + person.box[0] * scale;
    let y = top + person.box[1] * scale - height - 2 * ratio;
    if (x > canvas.width || left + person.box[2] * scale < 0 || top + person.box[3] * scale < 0 || y > canvas.height) return;
    x = Math.min(Math.max(x, 0), canvas.width - width);
    y = Math.max(y, 0);
    for (const [tx, ty, tw] of taken) {
      if (Math.abs(ty - y) < height && x < tx + tw && tx < x + width) y = ty + height + ratio;
    }
    taken.push([x, y, width]);
    const color = this.colorOf(person.id);
    context.fillStyle = color;
    context.fillRect(x, y, width, height);
    if (isSelected) {
      context.lineWidth = 2 * ratio;
      context.strokeStyle = "#ffffff";
      context.strokeRect(x, y, width, height);
    }
    context.fillStyle = isLight(color) ? "#000000" : "#ffffff";
    context.textBaseline = "middle";
    context.fillText(text, x + 0.375 * size, y + height / 2 + ratio / 2);
  }

  // Pointers

  #locate(event) {
    const { left, top, width } = this.canvas.getBoundingClientRect();
    const { scale, left: l, top: t } = this.#measure();
    const ratio = this.canvas.width / width;
    return {
      x: ((event.clientX - left) * ratio - l) / scale,
      y: ((event.clientY - top) * ratio - t) / scale,
      unit: ratio / scale,
    };
  }

  #findKeypoint({ x, y, unit }, kind) {
    const person = this.frame?.people.find((each) => each.id === this.selected);
    if (!person || this.isPicking) return null;
    let best = null;
    let nearest = (REACH_PX[kind] ?? 9) * unit;
    for (let k = 0; 3 * k < person.points.length; k += 1) {
      if (person.points[3 * k + 2] === 0 && k !== this.keypoint) continue;
      const distance = Math.hypot(person.points[3 * k] - x, person.points[3 * k + 1] - y);
      if (distance < nearest) [best, nearest] = [k, distance];
    }
    return best === null ? null : { person, keypoint: best };
  }

  #findPerson({ x, y, unit }) {
    let best = null;
    let nearest = Infinity;
    for (const person of this.frame?.people ?? []) {
      if (person.id < 0) continue;
      const [x1, y1, x2, y2] = person.box;
      const margin = 6 * unit;
      if (x < x1 - margin || x > x2 + margin || y < y1 - margin - 20 * unit || y > y2 + margin) continue;
      // Whose skeleton is nearest; of a box without one, how far the middle is.
      let distance = Math.hypot(x - (x1 + x2) / 2, y - (y1 + y2) / 2);
      for (const [a, b] of this.session.skeleton.edges) {
        if (!(person.points[3 * a + 2] >= LOW && person.points[3 * b + 2] >= LOW)) continue;
        distance = Math.min(distance, measureToLine(x, y, person.points, a, b));
      }
      if (distance < nearest) [best, nearest] = [person, distance];
    }
    return best;
  }

  #down(event) {
    if (event.button > 1) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, event);
    if (this.#pointers.size === 2) {
      this.#drag = null;
      const [a, b] = this.#pointers.values();
      this.#pinch = { span: spanOf(a, b), zoom: this.#zoom };
      return;
    }
    const at = this.#locate(event);
    const hit = event.button === 0 ? this.#findKeypoint(at, event.pointerType) : null;
    this.#drag = { x: event.clientX, y: event.clientY, isFar: false, person: null };
    if (hit) {
      this.grabbed();
      const points = hit.person.points.slice();
      Object.assign(this.#drag, { person: hit.person.id, keypoint: hit.keypoint, points, row: this.row });
      this.keypoint = hit.keypoint;
      this.draw();
    }
  }

  #move(event) {
    if (!this.#pointers.has(event.pointerId)) {
      this.#hover(event);
      return;
    }
    const before = this.#pointers.get(event.pointerId);
    this.#pointers.set(event.pointerId, event);
    if (this.#pinch && this.#pointers.size === 2) {
      const [a, b] = this.#pointers.values();
      const middle = { clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 };
      this.#zoomAt(middle, (this.#pinch.zoom * spanOf(a, b)) / this.#pinch.span);
      return;
    }
    const drag = this.#drag;
    if (!drag) return;
    drag.isFar ||= Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 3;
    if (!drag.isFar) return;
    const at = this.#locate(event);
    if (drag.person !== null) {
      drag.points[3 * drag.keypoint] = at.x;
      drag.points[3 * drag.keypoint + 1] = at.y;
      drag.points[3 * drag.keypoint + 2] = 1;
    } else if (this.#zoom > 1) {
      const [x, y] = this.#center ?? this.size.map((side) => side / 2);
      this.#center = [
        x - (event.clientX - before.clientX) * at.unit,
        y - (event.clientY - before.clientY) * at.unit,
      ];
    }
    this.draw();
  }

  #up(event) {
    const isOne = this.#pointers.size === 1;
    this.#pointers.delete(event.pointerId);
    if (this.#pointers.size < 2) this.#pinch = null;
    const drag = this.#drag;
    this.#drag = null;
    if (!drag || !isOne || event.type === "pointercancel") {
      this.draw();
      return;
    }
    if (drag.person !== null) {
      const at = this.#locate(event);
      if (drag.isFar) this.moved(drag.person, drag.keypoint, [at.x, at.y], drag.row);
      else this.picked(drag.person, drag.keypoint);
    } else if (!drag.isFar) {
      this.picked(this.#findPerson(this.#locate(event))?.id ?? null, null);
    }
    this.draw();
  }

  #hover(event) {
    const at = this.#locate(event);
    const hit = this.#findKeypoint(at, event.pointerType);
    const person = hit ? null : this.#findPerson(at);
    this.canvas.style.cursor = hit ? "grab" : person ? "pointer" : this.#zoom > 1 ? "move" : "default";
    this.hovered(hit && { keypoint: hit.keypoint, x: event.clientX, y: event.clientY });
  }

  #wheel(event) {
    event.preventDefault();
    this.#zoomAt(event, this.#zoom * Math.exp(-event.deltaY * (event.deltaMode ? 0.03 : 0.0015)));
  }

  // What is under the pointer stays there.
  #zoomAt(event, zoom) {
    const before = this.#locate(event);
    this.#zoom = Math.min(Math.max(zoom, 1), LARGEST_ZOOM);
    if (this.#zoom === 1) this.#center = null;
    else {
      const after = this.#locate(event);
      const [x, y] = this.#center ?? this.size.map((side) => side / 2);
      this.#center = [x + before.x - after.x, y + before.y - after.y];
    }
    this.draw();
  }
}

function spanOf(a, b) {
  return Math.max(Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), 10);
}

function measureToLine(x, y, points, a, b) {
  const [x1, y1, x2, y2] = [points[3 * a], points[3 * a + 1], points[3 * b], points[3 * b + 1]];
  const length = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const along = length ? Math.min(Math.max(((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length, 0), 1) : 0;
  return Math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1));
}

export function isLight(color) {
  const [r, g, b] = [1, 3, 5].map((i) => parseInt(color.slice(i, i + 2), 16) / 255);
  return 0.2126 * r ** 2.2 + 0.7152 * g ** 2.2 + 0.0722 * b ** 2.2 > 0.179;
}
