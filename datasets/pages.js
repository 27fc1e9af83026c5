"use strict";
const data = JSON.parse(document.getElementById("data").textContent);

function element(kind, text, name) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (name) made.className = name;
  return made;
}

function file(link, name) {
  const made = element("img", undefined, "picture");
  made.src = link; made.loading = "lazy"; made.alt = name;
  return made;
}

function picture(i, name) {
  const { links, columns, rows } = data.pictures;
  if (links) return file(links[i], name);
  const sheet = Math.floor(i / (columns * rows)), place = i % (columns * rows);
  const made = element("span", undefined, "picture");
  made.style.backgroundImage = `url(pictures/${String(sheet).padStart(5, "0")}.jpg)`;
  made.style.backgroundPosition = `${-64 * (place % columns)}px ${-128 * Math.floor(place / columns)}px`;
  made.role = "img"; made.ariaLabel = name;
  return made;
}
