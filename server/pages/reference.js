// Search, the language of the examples, copying, and where in the page one is. Without it all is there, one below the other.
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const search = document.querySelector("#search");
const menu = document.querySelector("#menu");
const nav = document.querySelector("#contents");
const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
const articles = all("article").map((element) => ({ element, id: element.id, text: element.querySelector(".about").textContent.toLowerCase() }));

// -- search: every word must stand somewhere in what is said of an event; one whose name has them comes first --

function show() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let found = 0;
  for (const { element, id, text } of articles) {
    const here = words.every((word) => text.includes(word) || id.toLowerCase().includes(word));
    element.hidden = !here;
    links.get(id).parentElement.hidden = !here;
    found += here;
  }
  for (const part of all("main > section, nav section")) {
    part.hidden = !part.querySelector("article:not([hidden]), li:not([hidden])");
  }
  document.querySelector("#found").textContent = words.length ? `${found} found` : "";
  document.querySelector("#nothing").hidden = found > 0;
}

function best() {
  const wanted = search.value.trim().toLowerCase();
  const shown = articles.filter(({ element }) => !element.hidden);
  return shown.find(({ id }) => id === wanted) ?? shown.find(({ id }) => id.includes(wanted)) ?? shown[0];
}

search.addEventListener("input", () => {
  show();
  scrollTo({ top: 0, behavior: "instant" });
});
search.addEventListener("keydown", (event) => {
  if (event.key === "Escape") leave();
  const target = event.key === "Enter" && best();
  if (target) {
    leave();
    go(target.id);
  }
});
addEventListener("keydown", (event) => {
  if (event.key === "/" && !event.ctrlKey && !event.metaKey && document.activeElement !== search) {
    event.preventDefault();
    search.select();
  } else if (event.key === "Escape") {
    open(false);
  }
});

function leave() {
  search.value = "";
  show();
  search.blur();
}

function go(id) {
  location.hash = id;
  document.getElementById(id).scrollIntoView();
  document.getElementById(id).querySelector("h1, h2, h3 a")?.focus({ preventScroll: true });
}

// A link leads also to what the search has hidden.
document.addEventListener("click", (event) => {
  const link = event.target.closest('a[href^="#"]');
  if (!link) return;
  if (search.value) leave();
  open(false);
});

// -- contents on a phone --

menu.hidden = false;
menu.addEventListener("click", () => open(!nav.classList.contains("open")));

function open(wanted) {
  if (!wanted && nav.contains(document.activeElement)) menu.focus();
  nav.classList.toggle("open", wanted);
  menu.setAttribute("aria-expanded", wanted);
}

// -- one language at a time --

const languages = document.querySelector(".languages");
const kept = (() => {
  try {
    return localStorage.getItem("language");
  } catch {
    return null; // a browser that keeps nothing
  }
})();

function speak(language) {
  for (const figure of all("[data-language=javascript], [data-language=python]")) {
    figure.hidden = figure.dataset.language !== language;
  }
  try {
    localStorage.setItem("language", language);
  } catch {}
}

languages.hidden = false;
languages.addEventListener("change", (event) => speak(event.target.value));
if (kept === "python") languages.querySelector("[value=python]").checked = true;
speak(languages.querySelector(":checked").value);

// -- copying; only over TLS or on the machine itself --

if (navigator.clipboard) {
  for (const figure of all("figure.source")) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Copy" });
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(figure.querySelector("pre").textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
    figure.querySelector("figcaption").append(button);
  }
}

// -- where one is --

let here;
const seen = new IntersectionObserver(
  (entries) => {
    const entry = entries.find(({ isIntersecting }) => isIntersecting);
    if (!entry) return;
    here?.removeAttribute("aria-current");
    here = links.get(entry.target.id);
    here?.setAttribute("aria-current", "true");
    if (here && !nav.matches(":hover, :focus-within")) here.scrollIntoView({ block: "nearest", behavior: "instant" });
  },
  { rootMargin: "-15% 0px -75% 0px" },
);
for (const { element } of articles) seen.observe(element);
