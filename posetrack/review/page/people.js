// The people of frames, fetched in chunks around what is shown; the file is never here as a whole.

import { getJson } from "./api.js";

const MOST_CHUNKS = 48;
const MOST_AT_ONCE = 2;
const PEOPLE_PER_CHUNK = 1500;

export class PeopleStore {
  #chunks = new Map();
  #loading = new Map();
  #wanted = [];
  #generation = 0;

  constructor(length, { loaded, failed }) {
    this.length = length;
    this.size = 32;
    this.loaded = loaded;
    this.failed = failed;
  }

  // Few frames a chunk where there are many people a frame.
  fit(people_per_frame) {
    const size = Math.min(256, Math.max(16, Math.round(PEOPLE_PER_CHUNK / Math.max(people_per_frame, 1))));
    if (size === this.size) return;
    this.size = size;
    this.#chunks.clear();
    this.#generation += 1;
  }

  // After an edit everything is fetched anew; what was here is shown until then.
  expire() {
    this.#generation += 1;
  }

  // A frame if it is here, however old; it is fetched if it is not, or is older than an edit.
  get(row) {
    const number = Math.floor(row / this.size);
    const chunk = this.#chunks.get(number);
    if (chunk?.generation !== this.#generation) this.#want(number);
    if (!chunk) return null;
    this.#chunks.delete(number);
    this.#chunks.set(number, chunk);
    return chunk.frames[row - number * this.size] ?? null;
  }

  isFresh(row) {
    return this.#chunks.get(Math.floor(row / this.size))?.generation === this.#generation;
  }

  prefetch(row) {
    const number = Math.floor(row / this.size);
    if (row < this.length && this.#chunks.get(number)?.generation !== this.#generation) this.#want(number);
  }

  get count() {
    return this.#chunks.size;
  }

  #want(number) {
    if (this.#loading.get(number) === this.#generation) return;
    // The newest wish first: whoever scrubs has left the others behind.
    this.#wanted = [number, ...this.#wanted.filter((other) => other !== number)].slice(0, 3);
    this.#next();
  }

  async #next() {
    if (this.#loading.size >= MOST_AT_ONCE || !this.#wanted.length) return;
    const number = this.#wanted.shift();
    const generation = this.#generation;
    const size = this.size;
    this.#loading.set(number, generation);
    try {
      const start = number * size;
      const answer = await getJson(`people.json?start=${start}&stop=${Math.min(start + size, this.length)}`);
      if (size === this.size) {
        this.#chunks.set(number, { generation, frames: answer.frames });
        while (this.#chunks.size > MOST_CHUNKS) this.#chunks.delete(this.#chunks.keys().next().value);
        this.loaded(start, start + size, answer.revision);
      }
    } catch (error) {
      this.failed(error);
    } finally {
      this.#loading.delete(number);
      this.#next();
    }
  }
}
