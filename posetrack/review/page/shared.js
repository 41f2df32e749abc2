// What all parts of the page look at: who and what is chosen, the parts themselves, and the tracks with their edits.

export const $ = (id) => document.getElementById(id);
export const state = { row: 0, selected: null, keypoint: null, marks: null, isPlaying: false, isLooping: false, rate: 1 };
export let session, times, frames, store, film, stage, timeline, ask;
export let lanes, lane_of;
export let edits = { revision: -1, num_edits: 0, edits: [], undone: [] };

export function setSession(described, packed) {
  session = described;
  times = new Float64Array(packed, 0, session.length);
  frames = new Int32Array(packed, 8 * session.length, session.length);
}

export function setParts(parts) {
  ({ store, film, stage, timeline, ask } = parts);
}

export function setTracks(news) {
  edits = news;
  lanes = news.lanes;
  lane_of = new Map(lanes.map((lane) => [lane.id, lane]));
  edits.suspects = listSuspects();
  edits.suspects_at = new Map();
  for (const each of edits.suspects) edits.suspects_at.set(each.row, [...(edits.suspects_at.get(each.row) ?? []), each]);
}

function listSuspects() {
  return lanes
    .flatMap((lane) => lane.suspects.map(([row, other, oks, speed]) => ({ id: lane.id, row, other, oks, speed })))
    .sort((a, b) => a.row - b.row || a.id - b.id);
}

export function findPerson(id = state.selected, row = state.row) {
  return store.get(row)?.people.find((person) => person.id === id) ?? null;
}
