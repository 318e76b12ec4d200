// Talk to the server: JSON in, JSON out.

const STORED = "imgkit.token";

let token = "", writeKey = "", pictureKey = "";

/**
 * Take the token out of the address into this tab, where it stays until the tab is closed. A browser sends it to no server by
 * itself; a review that has ended left a token that opens nothing.
 */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)), found = given.get("t");
  if (found) {
    try { sessionStorage.setItem(STORED, found); } catch { /* this page still has it */ }
    given.delete("t");
    history.replaceState(null, "", location.pathname + (String(given) ? `#${given}` : ""));
  }
  token = found ?? sessionStorage.getItem(STORED) ?? "";
  addEventListener("hashchange", () => { if (/[#&]t=/.test(location.hash)) location.reload(); });
}

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
  return answer(await fetch(path, { headers: { accept: "application/json", "x-imgkit-token": token } }));
}

export async function post(path, body) {
  const headers = { "content-type": "application/json", "x-imgkit-token": token, "x-imgkit-write": writeKey };
  return answer(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

export function useKeys({ write_key: forWriting, picture_key: forPictures }) {
  writeKey = forWriting;
  pictureKey = forPictures;
}

/** The address of a picture: its key lets see pictures, and nothing else. */
export const pictureAddress = (path) => `${path}?k=${pictureKey}`;
