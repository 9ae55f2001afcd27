// Narrows the list of projects while a visitor types. Without it the box is
// hidden, or it asks the server.
(() => {
	"use strict";
	const form = document.getElementById("search");
	const box = document.getElementById("proj-search");
	const count = document.getElementById("count");
	const all = Array.from(document.getElementById("projects").children, (li) => ({ li, text: li.textContent.toLowerCase() }));
	const label = count.textContent;
	const total = all.length.toLocaleString("fr");
	let shown = all;

	function narrow() {
		const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
		shown = [];
		for (const it of all) {
			const fits = words.every((w) => it.text.includes(w));
			if (it.li.hidden === fits) it.li.hidden = !fits;
			if (fits) shown.push(it);
		}
		count.textContent = words.length ? shown.length.toLocaleString("fr") + " of " + total + " projects" : label;
	}

	box.addEventListener("input", narrow);
	form.addEventListener("submit", (event) => {
		event.preventDefault();
		const link = shown.length === 1 && shown[0].li.querySelector("a");
		if (link) link.click();
	});
	form.hidden = false;
	if (box.value) narrow();
})();
