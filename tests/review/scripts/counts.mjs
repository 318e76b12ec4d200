// Reads what the server tells the page, as JSON, and writes the numbers that the page then shows.

globalThis.document = { hidden: true, addEventListener() {} };
globalThis.localStorage = { length: 0, key() {}, getItem() {}, setItem() {}, removeItem() {} };
delete globalThis.BroadcastChannel;

const { Store } = await import("./store.js");
const { countPictures, openCounts } = await import("./queue.js");
let text = "";
for await (const part of process.stdin) text += part;
const { columns, state } = JSON.parse(text);
const store = new Store(columns, state);
const { total, rows, reasons } = countPictures(store);
process.stdout.write(JSON.stringify({ total, rows, reasons: Object.fromEntries(reasons), tabs: openCounts(store) }), () => process.exit());
