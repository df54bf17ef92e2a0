// Fields above every <div class="filterable"> that choose which rows of its table are shown: words, and for each
// column with data-filter one of its values. The address may say what is chosen at first: ?page=keff.
document.addEventListener("DOMContentLoaded", () => {
  const asked = new URLSearchParams(window.location.search);
  for (const place of document.querySelectorAll(".filterable")) {
    const rows = [...place.querySelectorAll("tbody tr")];
    const told = document.createElement("output");
    const fields = document.createElement("p");
    fields.className = "filters";
    const wanted = [];
    const show = () => {
      const shown = rows.filter((row) => wanted.every((fits) => fits(row)));
      for (const row of rows) row.hidden = !shown.includes(row);
      told.textContent = `${shown.length} of ${rows.length} rows`;
    };
    const add = (name, field, fits) => {
      const label = document.createElement("label");
      label.append(`${name} `, field);
      fields.append(label, " ");
      wanted.push(fits);
      field.addEventListener("input", show);
    };
    place.querySelectorAll("thead th").forEach((head, column) => {
      if (!("filter" in head.dataset)) return;
      const name = head.textContent;
      const of = (row) => row.cells[column].textContent;
      const field = document.createElement("select");
      field.append(new Option("all", ""));
      for (const value of [...new Set(rows.map(of))].sort()) field.append(new Option(value, value));
      const first = asked.get(name);
      if ([...field.options].some((option) => option.value === first)) field.value = first;
      add(name, field, (row) => !field.value || of(row) === field.value);
    });
    const words = document.createElement("input");
    words.type = "search";
    words.value = asked.get("words") ?? "";
    add("words", words, (row) =>
      words.value.toLowerCase().split(/\s+/).every((word) => row.textContent.toLowerCase().includes(word)));
    fields.append(told);
    place.prepend(fields);
    show();
  }
});
