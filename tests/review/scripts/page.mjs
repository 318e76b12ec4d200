// A browser's surroundings for the page's scripts, and a server that answers as a test says.

class Storage {
  #values = new Map();
  get length() { return this.#values.size; }
  key(n) { return [...this.#values.keys()][n] ?? null; }
  getItem(name) { return this.#values.get(name) ?? null; }
  setItem(name, value) { this.#values.set(name, String(value)); }
  removeItem(name) { this.#values.delete(name); }
  get names() { return [...this.#values.keys()]; }
}

globalThis.document = { hidden: true, addEventListener() {} };
globalThis.Element = class {};
delete globalThis.BroadcastChannel;
globalThis.setInterval = () => 0;

/** A server: `answers` are functions of (path, body) or [status, value], taken in turn; `sent` is what came. */
export class Server {
  constructor() {
    globalThis.localStorage = new Storage();
    this.sent = [];
    this.answers = [];
    globalThis.fetch = async (path, { body } = {}) => {
      const said = body ? JSON.parse(body) : null;
      this.sent.push([path, said]);
      let answer = this.answers.length ? this.answers.shift() : () => new Promise(() => {});  // no answer, and no other try
      if (typeof answer === "function") answer = await answer(path, said);
      const [status, value] = answer;
      if (status === 0) throw new TypeError("the server is away");
      const text = typeof value === "string" ? value : JSON.stringify(value);
      return { ok: status < 400, status, text: async () => text, json: async () => JSON.parse(text) };
    };
  }

  keys() { return this.sent.filter(([, said]) => said?.actions).map(([, said]) => said.actions.map(({ key }) => key)); }
}

/** Let everything run that waits for no timer. */
export async function settle() { for (let n = 0; n < 20; n++) await new Promise((resolve) => setImmediate(resolve)); }

/** Columns of a listing: one [label, verdict, reason, check, score, group, rank, more] a row. */
export function columnsOf(pictures, extra = {}) {
  const reasons = [...new Set(pictures.map(({ reason = "" }) => reason))], checks = [...new Set(pictures.map(({ check = "" }) => check))];
  const column = (name, otherwise) => pictures.map((one) => one[name] ?? otherwise);
  return {
    rows: pictures.length, checks, reasons, providers: ["bing", "flickr"], words: { "bad.offtopic": "far from every label" }, titles: { offtopic: "off topic" }, choices: [],
    groups: Math.max(-1, ...column("group", -1)) + 1,
    id: pictures.map((_, n) => String(n).padStart(20, "0")).join(""),
    label: column("label", 0), provider: column("provider", 0), width: column("width", 100), height: column("height", 100),
    bytes: column("bytes", 1), score: column("score", 0), probability: pictures.map((one) => one.probability ?? one.score ?? 0), suggested: column("suggested", -1), group: column("group", -1), rank: column("rank", 0),
    check: pictures.map(({ check = "" }) => checks.indexOf(check)), reason: pictures.map(({ reason = "" }) => reasons.indexOf(reason)),
    verdict: column("verdict", "k").join(""), in_set: pictures.map(({ verdict = "k", inside = verdict !== "r" }) => (inside ? "1" : "0")).join(""),
    usable: pictures.map(({ usable = true }) => (usable ? "1" : "0")).join(""), ...extra,
  };
}

export const stateOf = (extra = {}) => ({
  labels: [["coral", "Coral"], ["king", "King"]], marks: [], done: [], older: 0, undone: [], revision: "0.0", listing: "one", audit: null,
  project: "project", title: "data", keys: {}, write_key: "w", picture_key: "p", ...extra,
});
