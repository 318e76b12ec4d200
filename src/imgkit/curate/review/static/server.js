// Talk to the server: JSON in, JSON out.

let writeKey = "";

/** The server answered, and the answer is no. */
export class Refused extends Error {
  constructor(status, text) {
    super(text || `the server answered ${status}`);
    this.status = status;
  }
}

async function answer(response) {
  if (response.ok) return response.json();
  const text = await response.text();
  let sentence = text.trim();
  try { sentence = JSON.parse(text).error; } catch { /* plain text */ }
  throw new Refused(response.status, sentence);
}

export async function get(path) {
  return answer(await fetch(path, { headers: { accept: "application/json" } }));
}

export async function post(path, body) {
  const headers = { "content-type": "application/json", "x-imgkit-write": writeKey };
  return answer(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

export function useWriteKey(key) {
  writeKey = key;
}
