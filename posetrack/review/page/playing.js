// Where we are: one frame at a time, or playing.

import { update, showPerson } from "./panel.js";
import { $, film, frames, session, stage, state, store, timeline, times } from "./shared.js";
import { formatTime } from "./words.js";

const NEAR_S = 0.5;

let clock = null;

export function goTo(row) {
  state.row = Math.min(Math.max(Math.round(row), 0), session.length - 1);
  film.show(state.row);
  drawRow(state.row);
}

export function seek(row) {
  if (row === state.row) return;
  if (state.isPlaying) pause();
  goTo(row);
}

export function drawRow(row) {
  const frame = store.get(row);
  store.prefetch(row + store.size);
  if (frame) stage.frame = frame;
  else if (!state.isPlaying) stage.frame = null;
  if (frame?.size) stage.size = frame.size;
  else if (frame) stage.size = session.size;
  stage.row = row;
  stage.image = film.image;
  if (state.isPlaying) stage.drawNow();
  else stage.draw();
  timeline.row = row;
  timeline.follow();
  $("frame").textContent = String(frames[row]);
  $("time").textContent = formatTime(times[row]);
  document.body.dataset.row = row;
  showPerson();
}

export function showImage(row) {
  if (state.isPlaying) advance(row);
  else {
    stage.image = film.image;
    stage.draw();
  }
}

export function advance(row) {
  const [first, last] = limits();
  if (row >= last || row < first) {
    if (!state.isLooping) {
      pause();
      goTo(last);
      return;
    }
    if (row >= last || row < first - 1) {
      row = first;
      restart(first);
    }
  }
  state.row = row;
  drawRow(row);
}

export function limits() {
  return state.isLooping && state.marks ? state.marks : [0, session.length - 1];
}

export function play() {
  const [first, last] = limits();
  if (state.row >= last || state.row < first) state.row = first;
  state.isPlaying = true;
  restart(state.row);
  update();
}

export function restart(row) {
  clock = { row, at_ms: performance.now() };
  if (film.isPlaying) film.jump(row);
  else if (!film.play(row, state.rate)) requestAnimationFrame(tick);
}

// Without a video that plays by itself.
export function tick() {
  if (!state.isPlaying || film.kind === "video") return;
  const time_s = times[clock.row] + ((performance.now() - clock.at_ms) / 1000) * state.rate;
  const row = film.rowAt(time_s);
  if (film.kind === "images") film.show(row);
  if ((film.kind === "none" || film.image?.row === row) && row !== state.row) advance(row);
  requestAnimationFrame(tick);
}

// The video is over; the last image may have been left out. Poses that go on without it are no part of playing.
export function endFilm() {
  if (!state.isPlaying) return;
  const [, last] = limits();
  if (times[last] - times[state.row] < NEAR_S) advance(last);
  else pause();
}

export function pause() {
  state.isPlaying = false;
  film.pause();
  film.show(state.row);
  update();
}

export function setRate(rate) {
  state.rate = rate;
  film.setSpeed(rate);
  clock = { row: state.row, at_ms: performance.now() };
}
