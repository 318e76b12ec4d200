// All labels in numbers, and the way out: write the set.

import { KEEP } from "./listing.js";
import { announce, fill, h, number, percent, toast } from "./dom.js";
import { intervalBar } from "./audit.js";
import { leftWords } from "./estimate.js";
import { countPictures } from "./queue.js";
import { sentence } from "./panel.js";

export class OverviewView {
  /** @param {import("./main.js").App} app */
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.told = null;
    this.finishing = false;
    this.summary = h("section.tiles", { "aria-label": "The whole set" });
    this.table = h("section.table", { "aria-label": "Labels" });
    this.reasons = h("section.reasons", { "aria-label": "Why pictures are out" });
    this.finish = h("section.finish", { "aria-label": "Finish" });
    this.element = h("div.overview", {}, h("div.left", {}, this.summary, this.table, this.reasons), this.finish);
  }

  enter() {
    this.refresh();
    this.store.refreshAudit().catch(() => {});
    this.store.rank({ first: 1 }).then((found) => { if (found && this.app.view === this && !this.told && !this.finishing) this.refresh(); });
  }
  leave() {}
  progress() { return { open: 0, all: 0 }; }
  advice() { return ""; }
  timeLeft() { return ""; }
  reveal() { return false; }

  act(name) { return ["next", "previous", "accept"].includes(name) ? false : name === "single"; }

  refresh() {
    const { rows, total, reasons } = countPictures(this.store);
    this.#summary(total);
    this.#table(rows, total);
    this.#reasons(reasons);
    this.#finish(total);
    this.app.showActions([]);
  }

  #summary(total) {
    const tile = (value, text, kind = "") => h("div.tile", { class: kind }, h("strong", {}, number(value)), h("span", {}, text));
    fill(this.summary, tile(total.kept ?? 0, "in the set", "keep"), tile(total.waiting ?? 0, "suspects waiting", "unsure"),
      tile(total.decided ?? 0, "decided by a person", "relabel"), tile(total.out ?? 0, "set aside", "reject"));
  }

  #table(rows, total) {
    const longest = Math.max(1, ...rows.map((row) => row.all + row.in));
    const head = ["Label", "Harvested", "In the set", "Waiting", "Set aside", "Moved away", "Moved here"];
    fill(this.table, h("h2", {}, "Labels"), h("div.wide", {}, h("table", {},
      h("thead", {}, h("tr", {}, head.map((name, n) => h("th", { scope: "col", class: n ? "number" : "" }, name)))),
      h("tbody", {}, rows.map((row, label) => h("tr", {},
        h("th", { scope: "row" }, h("button.link", { onclick: () => this.#jump(label) }, this.store.labelName(label)), shares(row, longest)),
        h("td.number", {}, number(row.all)), h("td.number.strong", {}, number(row.kept)),
        h("td.number", {}, row.waiting ? h("button.link", { onclick: () => this.#jump(label, "suspects") }, number(row.waiting)) : "0"),
        h("td.number", {}, row.out ? h("button.link", { onclick: () => this.#jump(label, "trash") }, number(row.out)) : "0"),
        h("td.number", {}, number(row.moved)), h("td.number", {}, number(row.in))))),
      rows.length > 1 ? h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "All"), [total.all, total.kept, total.waiting, total.out, total.moved, total.in].map((value) => h("td.number", {}, number(value))))) : null)));
  }

  #jump(label, mode = "grid") {
    this.app.setFilter({ ...this.app.filter, label });
    this.app.open(mode);
  }

  #reasons(reasons) {
    if (!reasons.size) { fill(this.reasons); return; }
    const sorted = [...reasons].sort((a, b) => b[1].machine + b[1].person - a[1].machine - a[1].person);
    const most = Math.max(...sorted.map(([, { machine, person }]) => machine + person));
    fill(this.reasons, h("h2", {}, "Why pictures are out"), h("ul", {}, sorted.map(([reason, { machine, person }]) => {
      const a = h("span.person"), b = h("span.machine");
      a.style.width = `${(100 * person) / most}%`;
      b.style.width = `${(100 * machine) / most}%`;
      return h("li", {}, h("span.name", {}, sentence(this.store.listing.say(reason) || "not kept")), h("span.track", { "aria-hidden": "true" }, a, b),
        h("span.count", {}, number(machine + person)), h("span.small", {}, person && machine ? `${number(person)} by you` : person ? "by you" : "by the checks"));
    })));
  }

  #finish(total) {
    if (this.told?.actions === this.store.done.length) { this.#finished(this.told); return; }
    const result = this.store.audit?.result, remaining = this.store.ranked?.remaining;
    this.announced = total.kept ?? 0;
    fill(this.finish, h("h2", {}, "Finish"),
      h("p", {}, `Write ${number(this.announced)} pictures to the curated folder, with the report. Nothing is deleted, and you can come back.`),
      result ? noise(result) : h("p.remark", {}, "No audit yet: the report cannot say how much noise is left. ", h("button.link", { onclick: () => this.app.open("audit") }, "A sample of 100 takes two minutes."),),
      remaining && remaining.unseen ? h("p.remark", {}, `${leftWords({ ...remaining, halved_after: 0 })} `, remaining.stop ? null : h("button.link", { onclick: () => this.app.open("weed") }, "Weed them.")) : null,
      total.waiting ? h("p.remark", {}, `${number(total.waiting)} suspects have not been looked at; the policy decides about them.`) : null,
      h("button.primary", { onclick: () => this.#write(), disabled: this.finishing }, this.finishing ? "Writing…" : "Write the set"),
      h("button.quiet", { onclick: () => this.#quit() }, "Close the review"));
  }

  async #write() {
    this.finishing = true;
    this.refresh();
    try {
      await this.store.outbox.settled();
      const told = await this.store.finish(this.announced);
      announce("The set is written");
      if (told.listing !== this.store.listing.revision) await this.store.reload();
      this.told = { ...told, actions: this.store.done.length };
    } catch (error) {
      toast(error.message, { kind: "error", seconds: 8 });
      if (error.status === 409) await this.store.reload();  // the page shows what is not so
    }
    this.finishing = false;
    this.refresh();
  }

  #finished(told) {
    const copy = async () => { try { await navigator.clipboard.writeText(told.next); toast("Copied"); } catch { toast("Select the line and copy it"); } };
    fill(this.finish, h("div.big", { "aria-hidden": "true" }, "✓"), h("h2", {}, "The set is written"),
      h("p", {}, `${number(told.kept ?? 0)} pictures in `, h("code", {}, told.folder ?? "")),
      told.report ? h("p", {}, "Report: ", h("code", {}, told.report)) : null,
      this.store.audit?.result ? noise(this.store.audit.result) : null,
      told.next ? [h("p", {}, "Next:"), h("pre.command", {}, h("code", {}, told.next), h("button.quiet", { onclick: copy, "aria-label": "Copy the command" }, "Copy"))] : null,
      h("button.quiet", { onclick: () => { this.told = null; this.refresh(); } }, "Go on reviewing"),
      h("button.quiet", { onclick: () => this.#quit() }, "Close the review"));
  }

  async #quit() {
    await this.store.outbox.settled();
    try { await this.store.quit(); } catch { /* it may be gone before it answers */ }
    this.app.closed();
  }
}

function noise(result) {
  return h("div.noise", {}, h("p", {}, "Noise left: ", h("strong", {}, percent(result.noise_left.value)),
    ` (95 %: ${percent(result.noise_left.low)} to ${percent(result.noise_left.high)}, ${number(result.sampled)} looked at)`), intervalBar(result.noise_left));
}

/** How a label divides, to the scale of the largest label. */
function shares(row, longest) {
  const part = (count, kind) => {
    const span = h("span", { class: kind });
    span.style.width = `${(100 * count) / longest}%`;
    return count ? span : null;
  };
  return h("span.shares", { "aria-hidden": "true" }, part(Math.max(0, row.kept), "keep"), part(row.out, "out"), part(row.moved, "moved"));
}

export { KEEP };
