// The images of the video: played by the browser where it can, otherwise as JPEG from the server.

import { Refused, getBlob } from "./api.js";

const MOST_KEPT = 24;
const LOADS_WITHIN_MS = 8000;
const SEEKS_WITHIN_MS = 5000;
const SHOWS_WITHIN_MS = 150;

export class Film {
  #video;
  #offset_s = 0;
  #wanted = -1;
  #is_seeking = false;
  #is_loading = false;
  #kept = new Map();

  // `shown` is called with each new image; `image` is then { row, source }.
  constructor(video, { times, is_playable, has_video, shown, ended, failed }) {
    this.#video = video;
    this.times = times;
    this.shown = shown;
    this.failed = failed;
    this.image = null;
    this.kind = !has_video ? "none" : is_playable && "requestVideoFrameCallback" in video ? "video" : "images";
    video.addEventListener("ended", ended);
    this.ready = this.kind === "video" ? this.#load() : Promise.resolve();
  }

  get isPlaying() {
    return this.kind === "video" && !this.#video.paused;
  }

  // The row that is on screen at a time of the video.
  rowAt(time_s) {
    const times = this.times;
    let low = 0;
    let high = times.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (times[middle] <= time_s + 1e-4) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  // The duration of a row's image; rows may be further apart than images are.
  #last(row) {
    const times = this.times;
    const next = row + 1 < times.length ? times[row + 1] - times[row] : times[row] - (times[row - 1] ?? 0);
    return Math.min(Math.max(next, 0.001), this.frame_s || 0.04);
  }

  setRate(fps) {
    this.frame_s = fps > 0 ? 1 / fps : 0.04;
  }

  show(row) {
    if (this.kind === "none" || row === this.image?.row) return;
    this.#wanted = row;
    if (this.kind === "video") this.#seek();
    else this.#fetch();
  }

  // Play from a row; false where this has to be done image by image.
  play(row, rate) {
    if (this.kind !== "video") return false;
    this.#video.playbackRate = rate;
    this.#wanted = -1;
    if (this.image?.row !== row) this.#video.currentTime = this.#timeOf(row);
    this.#video.play().catch((error) => {
      if (error.name !== "AbortError") this.failed(error);
    });
    this.#watch();
    return true;
  }

  jump(row) {
    this.#video.currentTime = this.#timeOf(row);
  }

  setSpeed(rate) {
    this.#video.playbackRate = rate;
  }

  pause() {
    this.#video.pause();
  }

  #timeOf(row) {
    return this.#offset_s + this.times[row] + this.#last(row) / 2;
  }

  #load() {
    const video = this.#video;
    return new Promise((resolve) => {
      const give = (kind) => {
        clearTimeout(timer);
        if (this.kind !== "video") return;
        this.kind = kind;
        if (kind === "images") {
          video.removeAttribute("src");
          video.load();
        }
        resolve();
      };
      const timer = setTimeout(() => give("images"), LOADS_WITHIN_MS);
      // What the browser calls the time of the first image is where our times begin.
      video.requestVideoFrameCallback((now, { mediaTime }) => {
        this.#offset_s = mediaTime;
        give("video");
      });
      video.addEventListener("error", () => give("images"), { once: true });
      video.addEventListener("loadedmetadata", () => {
        if (!video.videoWidth) give("images");
      });
      video.src = "video";
    });
  }

  #watch() {
    this.#video.requestVideoFrameCallback((now, { mediaTime }) => {
      if (this.#video.paused) return;
      this.#take(this.rowAt(mediaTime - this.#offset_s));
      this.#watch();
    });
  }

  #take(row) {
    this.image = { row, source: this.#video };
    this.shown(row);
  }

  #seek() {
    if (this.#is_seeking) return;
    const row = this.#wanted;
    const video = this.#video;
    const time_s = this.#timeOf(row);
    if (time_s > video.duration + this.#last(row)) {
      this.image = { row, source: null };
      this.shown(row);
      return;
    }
    this.#is_seeking = true;
    const done = (media_s) => {
      if (!this.#is_seeking) return;
      clearTimeout(timer);
      this.#is_seeking = false;
      // Another image than that of the poses: the server finds the right one.
      const is_other = media_s !== null && Math.abs(media_s - this.#offset_s - this.times[row]) > this.#last(row) * 0.75;
      if (is_other && this.#wanted === row) {
        this.#fetch();
        return;
      }
      this.#take(row);
      if (this.#wanted !== row && this.#wanted >= 0) this.#seek();
    };
    video.requestVideoFrameCallback((now, { mediaTime }) => done(mediaTime));
    // A seek within the image that is there already shows no new one.
    let timer = setTimeout(() => done(null), SEEKS_WITHIN_MS);
    video.addEventListener("seeked", () => {
      clearTimeout(timer);
      timer = setTimeout(() => done(null), SHOWS_WITHIN_MS);
    }, { once: true });
    video.currentTime = time_s;
  }

  async #fetch() {
    if (this.#is_loading) return;
    this.#is_loading = true;
    try {
      while (this.#wanted >= 0) {
        const row = this.#wanted;
        let source = this.#kept.get(row);
        if (source === undefined) {
          try {
            source = await createImageBitmap(await getBlob(`image.jpg?position=${row}`));
          } catch (error) {
            this.failed(error);
            source = null;
            if (!(error instanceof Refused)) break;
          }
          this.#keep(row, source);
        }
        this.image = { row, source };
        this.shown(row);
        if (this.#wanted === row) this.#wanted = -1;
      }
    } finally {
      this.#is_loading = false;
    }
  }

  #keep(row, source) {
    this.#kept.set(row, source);
    while (this.#kept.size > MOST_KEPT) {
      const [oldest, image] = this.#kept.entries().next().value;
      this.#kept.delete(oldest);
      image?.close();
    }
  }
}
