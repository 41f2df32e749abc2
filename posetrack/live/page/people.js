// The list of people in the image: new entries are highlighted, old ones fade out.

const FADE_MS = 2500;
const REFRESH_MS = 500;

export class PeopleList {
  #list;
  #nobody;
  #count;
  #rows = new Map();
  #refreshed = 0;

  constructor(list, nobody, count) {
    this.#list = list;
    this.#nobody = nobody;
    this.#count = count;
  }

  // People as the server lists them, at a moment of the session in seconds.
  show(people, time_s) {
    const now = performance.now();
    const isDue = now - this.#refreshed > REFRESH_MS;
    if (isDue) this.#refreshed = now;
    const here = new Map();
    for (const person of people) {
      const key = person.track_id ?? "none";
      const others = here.get(key)?.number ?? 0;
      here.set(key, { ...person, number: others + 1 });
    }
    for (const [key, person] of here) {
      let row = this.#rows.get(key);
      const isNew = !row;
      if (isNew) row = this.#add(key, person, time_s);
      row.item.classList.remove("left");
      row.left = null;
      if (isNew || isDue) row.write(person, time_s);
    }
    for (const [key, row] of this.#rows) {
      if (here.has(key)) continue;
      row.left ??= now;
      row.item.classList.add("left");
      if (now - row.left > FADE_MS) {
        row.item.remove();
        this.#rows.delete(key);
      }
    }
    setText(this.#count, String(people.length));
    this.#nobody.hidden = this.#rows.size > 0;
  }

  clear() {
    this.#rows.clear();
    this.#list.replaceChildren();
  }

  #add(key, person, time_s) {
    const item = document.createElement("li");
    const part = (name) => {
      const element = document.createElement("span");
      element.className = name;
      item.append(element);
      return element;
    };
    part("swatch").style.background = person.color;
    const [id, since, score] = ["id", "since", "score"].map(part);
    const write = (now, now_s) => {
      setText(id, key === "none" ? "no id" : String(key));
      setText(since, key === "none" ? "" : `here ${formatSpan(now_s - time_s)}`);
      setText(score, key === "none" ? `× ${now.number}` : (now.score ?? 0).toFixed(2));
      score.title = "score";
    };
    const order = key === "none" ? Infinity : key;
    const next = [...this.#rows.values()].find((row) => row.order > order);
    const row = { item, write, order, left: null };
    this.#list.insertBefore(item, next?.item ?? null);
    this.#rows.set(key, row);
    // A map keeps the order of insertion; the search above needs the order of ids.
    this.#rows = new Map([...this.#rows].sort(([, a], [, b]) => a.order - b.order));
    return row;
  }
}

// 75 -> 1:15
function formatSpan(span_s) {
  const seconds = Math.max(0, Math.floor(span_s));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
