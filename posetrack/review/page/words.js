// How things are said.

export const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
export const sentence = (text) => `${text[0]?.toUpperCase() ?? ""}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

export function formatTime(time_s) {
  const hundredths = Math.round(time_s * 100);
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(hundredths / 360000), Math.floor(hundredths / 6000) % 60];
  const rest = `${two(Math.floor(hundredths / 100) % 60)}.${two(hundredths % 100)}`;
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

export function describeSuspect({ id, other, oks, speed }) {
  const like = other === null ? `${id} jumps here` : `From here on, ${id} looks like ${other} did before`;
  const facts = [oks === null ? "" : `OKS ${oks.toFixed(2)} with itself`, `${speed.toFixed(1)} body heights/s`];
  return `${like} (${facts.filter(Boolean).join(", ")}).`;
}
