"use strict";
(() => {
  const data = JSON.parse(document.getElementById("tested").textContent);
  const root = document.getElementById("explorer");
  const find = (name) => root.querySelector(`[name=${name}]`);
  const [given, called, kind, order] = ["given", "called", "kind", "order"].map(find);
  const grid = root.querySelector(".cases");
  const said = root.querySelector("output");
  const more = root.querySelector("button.more");
  const dialog = document.getElementById("picture");
  const PAGE = 60;
  let shown = [];
  let pages = 1;
  let place = 0;

  const element = (tag, text, name) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (name) made.className = name;
    return made;
  };
  const percent = (share) => `${Math.round(100 * share)} %`;
  const image = (source, alt) => {
    if (!source) return element("div", "no picture here", "gone");
    const made = element("img");
    made.src = source;
    made.alt = alt;
    made.loading = "lazy";
    return made;
  };
  const fill = (select, first) => {
    select.replaceChildren(new Option(first, ""));
    data.labels.forEach((label, number) => select.append(new Option(label, number)));
  };
  const wrong = (one) => one.label !== one.called;

  const tile = (one, number) => {
    const button = element("button", undefined, wrong(one) ? "case wrong" : "case");
    button.type = "button";
    button.append(image(one.small || one.large, one.file));
    const words = element("p");
    words.append(element("b", `${data.labels[one.called]} ${percent(one.sure)}`));
    words.append(element("span", wrong(one) ? `labelled ${data.labels[one.label]} (${percent(one.given)})` : "right"));
    button.append(words);
    button.addEventListener("click", () => open(number));
    return button;
  };

  const draw = () => {
    grid.replaceChildren(...shown.slice(0, PAGE * pages).map(tile));
    more.hidden = shown.length <= PAGE * pages;
    said.textContent = `${shown.length} of ${data.tested.length} pictures`;
  };

  const filter = () => {
    const sorts = {
      sure: (a, b) => b.sure - a.sure,
      unsure: (a, b) => a.sure - b.sure,
      file: (a, b) => (a.file < b.file ? -1 : 1),
    };
    shown = data.tested.filter(
      (one) =>
        (given.value === "" || one.label === Number(given.value)) &&
        (called.value === "" || one.called === Number(called.value)) &&
        (kind.value === "all" || wrong(one) === (kind.value === "wrong")),
    );
    shown.sort(sorts[order.value]);
    pages = 1;
    draw();
  };

  const row = (title, places) => {
    const part = element("div", undefined, "row");
    part.append(element("h4", title));
    const line = element("div", undefined, "line");
    places.forEach(([number, words]) => {
      const picture = data.training[number];
      const figure = element("figure", undefined, "shot");
      figure.append(image(picture.small, picture.file), element("figcaption", words || picture.file));
      figure.title = picture.file;
      line.append(figure);
    });
    part.append(line);
    return part;
  };

  const open = (number) => {
    place = number;
    const one = shown[number];
    const box = dialog.querySelector(".inside");
    const facts = element("div", undefined, "facts");
    facts.append(element("h3", `${data.labels[one.called]} ${percent(one.sure)}`));
    facts.append(element("p", wrong(one) ? `labelled ${data.labels[one.label]} (${percent(one.given)})` : "right"));
    const list = element("ol");
    one.best.forEach(([label, share]) => list.append(element("li", `${data.labels[label]} ${percent(share)}`)));
    facts.append(list, element("code", one.file));
    if (one.page) {
      const link = element("a", "where it was found");
      link.href = one.page;
      link.rel = "noreferrer noopener";
      link.target = "_blank";
      facts.append(link);
    }
    const near = one.near.map(([index, similarity]) => [
      index,
      `${data.labels[data.training[index].label]} ${similarity.toFixed(2)}`,
    ]);
    if (near.length) facts.append(row("nearest training pictures", near));
    new Set([one.label, one.called]).forEach((label) => {
      const typical = data.typical[label] || [];
      if (typical.length) facts.append(row(`typical of ${data.labels[label]}`, typical.map((index) => [index, ""])));
    });
    const large = element("div", undefined, "large");
    large.append(image(one.large || one.small, one.file));
    box.replaceChildren(large, facts);
    if (!dialog.open) dialog.showModal();
  };

  const threshold = document.getElementById("threshold");
  const answer = () => {
    const least = Number(threshold.value) / 100;
    const kept = data.tested.filter((one) => one.sure >= least);
    const right = kept.filter((one) => !wrong(one)).length;
    const count = kept.length;
    const z = 1.959964;
    let words = `Asked to be ${threshold.value} % sure, it answers ${count} of ${data.tested.length} pictures`;
    if (count) {
      const share = right / count;
      const centre = (share + (z * z) / (2 * count)) / (1 + (z * z) / count);
      const spread =
        (z * Math.sqrt((share * (1 - share)) / count + (z * z) / (4 * count * count))) / (1 + (z * z) / count);
      const low = (100 * Math.max(0, centre - spread)).toFixed(1);
      const high = (100 * Math.min(1, centre + spread)).toFixed(1);
      words += `; of these ${(100 * share).toFixed(1)} % are right (95 % interval ${low} to ${high})`;
    }
    document.getElementById("answered").textContent = `${words}.`;
  };

  fill(given, "any label");
  fill(called, "anything");
  [given, called, kind, order].forEach((select) => select.addEventListener("change", filter));
  more.addEventListener("click", () => {
    pages += 1;
    draw();
  });
  document.querySelectorAll("[data-given]").forEach((cell) => {
    const choose = () => {
      given.value = cell.dataset.given;
      called.value = cell.dataset.called;
      kind.value = "all";
      filter();
      root.scrollIntoView();
    };
    cell.addEventListener("click", choose);
    cell.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        choose();
      }
    });
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest(".close")) dialog.close();
  });
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step && shown[place + step]) open(place + step);
  });
  if (threshold) {
    threshold.addEventListener("input", answer);
    answer();
  }
  filter();
})();
