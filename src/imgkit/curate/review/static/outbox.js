// Decisions on their way: kept in this browser until the server has them on disk, sent again after a restart.

import { Refused, post } from "./server.js";

const PAUSES = [100, 250, 500, 1000, 1500];  // milliseconds between tries; a restarted server is found within 2 s
const MOST_AT_ONCE = 200;

export class Outbox {
  /**
   * @param {string} project  names the data folder: what was meant for one never reaches another
   * @param {(reply: object, sent: object[]) => void} onReply
   * @param {() => void} onChange  the number of waiting actions, or whether the server answers, has changed
   * @param {() => void} onRefused  an action will never be written: what the page shows is not so
   */
  constructor(project, onReply, onChange, onRefused) {
    this.project = project;
    this.session = [...crypto.getRandomValues(new Uint8Array(8))].map((one) => one.toString(36).padStart(2, "0")).join("");
    this.waiting = [];
    this.parked = [];
    this.failures = 0;
    this.trouble = "";
    this.sending = false;
    this.onReply = onReply;
    this.onChange = onChange;
    this.onRefused = onRefused;
    this.count = 0;
    this.failingSince = 0;
  }

  nextKey() { return `${this.session}.${++this.count}`; }

  add(action) {
    this.waiting.push(action);
    this.#remember(action);
    this.onChange();
    this.#send();
  }

  /** Take over what an earlier page of this folder could not send; keys make a second sending harmless. */
  adopt() {
    const found = [];
    for (let n = 0; n < localStorage.length; n++) {
      const name = localStorage.key(n);
      if (!name?.startsWith(`imgkit.out.${this.project}.`)) continue;
      try { found.push(JSON.parse(localStorage.getItem(name))); } catch { localStorage.removeItem(name); }
    }
    const order = (action) => { const [session, count] = action.key.split("."); return [session, Number(count)]; };
    found.sort((a, b) => { const [x, m] = order(a), [y, n] = order(b); return x < y ? -1 : x > y ? 1 : m - n; });
    this.waiting.push(...found);
    if (found.length) { this.onChange(); this.#send(); }
    return found.length;
  }

  /** Wait until nothing is on its way. */
  async settled() {
    while (this.waiting.length) await new Promise((resolve) => setTimeout(resolve, 30));
  }

  #name(action) { return `imgkit.out.${this.project}.${action.key}`; }

  #remember(action) {
    try { localStorage.setItem(this.#name(action), JSON.stringify(action)); } catch { /* full: memory still has it */ }
  }

  #forget(actions) {
    for (const action of actions) { try { localStorage.removeItem(this.#name(action)); } catch { /* as above */ } }
  }

  async #send() {
    if (this.sending) return;
    this.sending = true;
    while (this.waiting.length) {
      const batch = this.waiting.slice(0, this.failures && !this.failingSince ? 1 : MOST_AT_ONCE);
      try {
        const reply = await post("/api/actions", { actions: batch });
        this.waiting.splice(0, batch.length);
        this.#forget(batch);
        this.failures = this.failingSince = 0;
        this.trouble = "";
        this.onReply(reply, batch);
      } catch (error) {
        await this.#afterFailure(error, batch);
      }
      this.onChange();
    }
    this.sending = false;
  }

  async #afterFailure(error, batch) {
    const status = error instanceof Refused ? error.status : 0;
    this.trouble = status ? error.message : "";
    if (status >= 400 && status < 500 && status !== 401 && status !== 403) {
      if (batch.length === 1) {  // this one is the culprit: set it apart so that the others get through
        this.waiting.splice(0, 1);
        this.#forget(batch);
        this.parked.push({ action: batch[0], why: error.message });
        this.failures = 0;
        this.onRefused();
      } else this.failures = 1;  // one by one now
      return;
    }
    this.failingSince ||= performance.now();
    this.onChange();
    const pause = PAUSES[Math.min(this.failures++, PAUSES.length - 1)];
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
