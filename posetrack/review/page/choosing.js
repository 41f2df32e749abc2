// Who is selected, and which keypoint.

import { toast } from "./notices.js";
import { update } from "./panel.js";
import { goTo, pause } from "./playing.js";
import { ask, edits, session, state, store, timeline } from "./shared.js";

export function select(id, keypoint = null) {
  state.selected = id;
  state.keypoint = id === null ? null : keypoint;
  timeline.select(id);
  update();
}

export function pick(id, keypoint) {
  if (ask.wantsPerson) {
    if (id !== null) ask.pick(id);
    return;
  }
  select(id, keypoint);
}

// True if it has answered a question.
export function pickLane(id) {
  if (ask.wantsPerson) {
    ask.pick(id);
    return true;
  }
  select(id);
  return false;
}

export function stepPerson(by) {
  const { ids } = timeline;
  if (!ids.length) return;
  const at = ids.indexOf(state.selected);
  const next = at < 0 ? (by > 0 ? 0 : ids.length - 1) : Math.min(Math.max(at + by, 0), ids.length - 1);
  select(ids[next]);
}

export function nextHere() {
  const here = (store.get(state.row)?.people ?? []).map((person) => person.id).filter((id) => id >= 0);
  here.sort((a, b) => a - b);
  if (here.length) select(here.find((id) => id > (state.selected ?? -1)) ?? here[0]);
}

export function stepSuspect(by) {
  const all = edits.suspects;
  const isHere = (each) => each.row === state.row && each.id === state.selected;
  const here = all.findIndex(isHere);
  let next = here >= 0 ? all[here + by] : undefined;
  if (here < 0) next = by > 0 ? all.find((each) => each.row >= state.row) : all.findLast((each) => each.row <= state.row);
  if (!next) {
    toast(all.length ? `No suspected switch ${by > 0 ? "after" : "before"} this one.` : "No suspected switches.");
    return;
  }
  if (state.isPlaying) pause();
  select(next.id);
  goTo(next.row);
}

export function stepKeypoint(by) {
  const { length } = session.skeleton.names;
  state.keypoint = state.keypoint === null ? (by > 0 ? 0 : length - 1) : (state.keypoint + by + length) % length;
  update();
}
