// What stands behind a link to a word of the glossary, an equation or a citation, when a reader points at it or
// reaches it by keyboard. previews-data.js has the texts of the first two; a citation has its own in `title`.
window.addEventListener("load", () => {
  if (!window.bootstrap || !window.previews) return;
  const root = new URL(document.documentElement.dataset.content_root ?? "./", window.location.href).href;
  for (const link of document.querySelectorAll("article a.reference.internal[href*='#']")) {
    const address = link.href.replace(root, "");
    const entry = link.title;
    const found = window.previews[address] ?? (entry && document.createElement("p"));
    if (!found) continue;
    if (typeof found !== "string") found.textContent = entry;
    const content = typeof found === "string" ? found : found.outerHTML;
    link.removeAttribute("title");
    new window.bootstrap.Tooltip(link, {
      title: content, html: true, sanitize: false, trigger: "hover focus", placement: "auto", customClass: "preview",
    });
    link.addEventListener("inserted.bs.tooltip", () => {
      const tip = document.getElementById(link.getAttribute("aria-describedby"));
      if (tip && window.MathJax?.typesetPromise) window.MathJax.typesetPromise([tip]);
    });
  }
});
