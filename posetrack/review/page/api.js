// Talking to the server. What it refuses is an Error whose message can be shown.

export class Refused extends Error {}
export class Lost extends Error {}

async function read(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Lost("No connection to posetrack review; edits made so far are saved.");
  }
  if (!answer.ok) throw new Refused((await answer.text()).trim() || answer.statusText);
  return answer;
}

export const getJson = async (path) => (await read(path)).json();
export const getBytes = async (path) => (await read(path)).arrayBuffer();
export const getBlob = async (path) => (await read(path)).blob();

export async function post(path, value) {
  const headers = { "Content-Type": "application/json" };
  return (await read(path, { method: "POST", headers, body: JSON.stringify(value) })).json();
}

export async function isThere() {
  try {
    return (await fetch("healthz")).ok;
  } catch {
    return false;
  }
}
